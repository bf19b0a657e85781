"""The ruleset in the shadow, as all workers have tried it.

In: what each worker says of its own. Out: one answer. Rule of the file: only workers that compare the same two rulesets are counted together; which of them does is
said beside it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from engine.event import JsonObject
from engine.operations.shadow import MAX_DIFFERENCES_KEPT
from engine.workers.channel import Channel, NoAnswer

_TIMEOUT_MS: Final = 1_000
_RELOAD_TIMEOUT_MS: Final = 60_000
_COUNTED: Final = ("events", "differing", "errors")
Shown = Mapping[str, Any]


class Worker(Protocol):
    """A worker that can be asked."""

    number: int
    channel: Channel


class ShadowsOfAll:
    """Asks each of the `workers`, which are those that serve now."""

    def __init__(self, workers: Callable[[], Sequence[Worker]]) -> None:
        self._workers = workers

    async def answer(self, content: Mapping[str, Any]) -> JsonObject:
        """What all together have seen; with `reload` after each has taken up what the directory holds. `good` is false where that is broken.

        A worker that does not answer is left out. Raises NoAnswer where none does.
        """
        reload = bool(content["reload"])
        workers = self._workers()
        answered = await asyncio.gather(*(_ask(worker, reload=reload) for worker in workers))
        answers = {str(worker.number): answer for worker, answer in zip(workers, answered, strict=True) if answer is not None}
        if not answers:
            raise NoAnswer("no worker says what it tries")
        shown = together({number: answer["shown"] for number, answer in answers.items()})
        return {"good": all(answer["good"] for answer in answers.values()), "shown": shown}


async def _ask(worker: Worker, *, reload: bool) -> dict[str, Any] | None:
    try:
        return await worker.channel.ask("shadow", {"reload": reload}, timeout_ms=_RELOAD_TIMEOUT_MS if reload else _TIMEOUT_MS)
    except NoAnswer:
        return None


def together(shown: Mapping[str, Shown]) -> JsonObject:
    """The answers of several workers, by number, as one; `workers` says which ruleset each of them tries.

    Counts are of those that try the ruleset that most do, against the one that most of these are in service with.
    """
    head = _alike(shown)
    counted = [
        one for one in shown.values() if one["ruleset"] == head["ruleset"] and one.get("against") in {None, head.get("against")}
    ]
    rejected = next((one["rejected"] for one in shown.values() if one["rejected"]), None)
    workers = {number: one["ruleset"] for number, one in shown.items()}
    if head["ruleset"] is None:
        return {**head, "rejected": rejected, "workers": workers}
    samples = sorted(
        (sample for one in counted for sample in one["samples"]), key=lambda sample: str(sample["time"]), reverse=True
    )
    return {
        **head,
        "rejected": rejected,
        "loaded_at": max(one["loaded_at"] for one in counted),
        **{name: sum(one[name] for one in counted) for name in _COUNTED},
        "differences": _sums([one["differences"] for one in counted]),
        "filters": {name: _sums([one["filters"][name] for one in counted]) for name in head["filters"]},
        "samples": samples[:MAX_DIFFERENCES_KEPT],
        "workers": workers,
    }


def _alike(shown: Mapping[str, Shown]) -> Shown:
    """An answer that is about the two rulesets that most answers are about; one that has seen events before one that has not."""
    rulesets = Counter(one["ruleset"] for one in shown.values() if one["ruleset"] is not None)
    against = Counter(one["against"] for one in shown.values() if one.get("against") is not None)
    return max(shown.values(), key=lambda one: (rulesets[one["ruleset"]], against[one.get("against")]))


def _sums(parts: Sequence[Shown]) -> JsonObject:
    """Numbers added up; of anything else the first."""
    return {name: sum(part[name] for part in parts) if isinstance(value, int) else value for name, value in parts[0].items()}
