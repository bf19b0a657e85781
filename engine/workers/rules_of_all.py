"""The rules of all workers, changed together.

In: a plan that compiled here, and what it was compiled from. Out: every worker works under it, or none does. Rule of the file: each worker first builds all
that the new rules need; they come into service when all have done so. A worker that fails even then is replaced by one that starts under them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from engine.event import JsonObject
from engine.operations.in_service import NotTaken
from engine.ports import Clock
from engine.rules.changes import Changes, changes
from engine.rules.compiler import Contents
from engine.rules.plan import Plan
from engine.workers.briefing import carried
from engine.workers.channel import Channel, NoAnswer

_STAGE_TIMEOUT_MS: Final = 30_000
_SWAP_TIMEOUT_MS: Final = 10_000


class Worker(Protocol):
    """A worker whose rules are changed. `told` says that it is to end, `lives` that it can be spoken to."""

    channel: Channel
    told: bool

    @property
    def number(self) -> int:
        """From 1."""

    @property
    def lives(self) -> bool:
        """Whether it can be spoken to."""

    def works_under(self, rules: JsonObject) -> None:
        """Note which rules it says that it works under."""


W = TypeVar("W", bound=Worker)


class RulesOfAll(Generic[W]):
    """What all workers work under; see InService.

    `workers` gives those that serve, `replace` is called with one that did not come along, `swapped` with what a swap changed.
    """

    def __init__(
        self,
        plan: Plan,
        contents: Contents,
        directory: Path,
        clock: Clock,
        workers: Callable[[], Sequence[W]],
        replace: Callable[[W, str], None],
        swapped: Callable[[Changes], None],
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._carried = carried(directory, contents)
        self._clock = clock
        self._workers = workers
        self._replace = replace
        self._swapped = swapped

    @property
    def plan(self) -> Plan:
        """See InService."""
        return self._plan

    @property
    def carried(self) -> Mapping[str, object]:
        """What a worker that is started now starts under."""
        return self._carried

    def now_ms(self) -> int:
        """See InService."""
        return self._clock.now_ms()

    async def stage(self, plan: Plan, contents: Contents) -> "_StagedByAll":
        """See InService."""
        rules = carried(self._directory, contents)
        problems = await asyncio.gather(*(_problem(worker, rules) for worker in self._workers()))
        if found := [problem for problem in problems if problem]:
            raise NotTaken("; ".join(found))
        return _StagedByAll(self, plan, rules)

    async def close(self) -> None:
        """See InService: every worker lets go of its own."""

    async def put_in_service(self, plan: Plan, rules: JsonObject) -> None:
        """Have every worker that serves go over; those that start from now on start so."""
        changed = changes(self._plan, plan)
        self._plan, self._carried = plan, rules
        self._swapped(changed)
        await asyncio.gather(*(self._swap(worker, rules) for worker in self._workers()))

    async def _swap(self, worker: W, rules: JsonObject) -> None:
        try:
            worker.works_under(await worker.channel.ask("swap", {"digest": rules["digest"]}, timeout_ms=_SWAP_TIMEOUT_MS))
        except NoAnswer as error:
            self._replace(worker, f"it did not go over to ruleset `{self._plan.id}`: {error}")


class _StagedByAll:
    """See Staged. Nothing has to be dropped: a worker keeps what it compiled, which the next attempt replaces."""

    def __init__(self, rules_of_all: RulesOfAll[Any], plan: Plan, rules: JsonObject) -> None:
        self._rules_of_all = rules_of_all
        self._plan = plan
        self._rules = rules

    async def put_in_service(self) -> None:
        """See Staged."""
        await self._rules_of_all.put_in_service(self._plan, self._rules)

    async def drop(self) -> None:
        """See Staged."""


async def _problem(worker: Worker, rules: JsonObject) -> str:
    """Why the worker cannot take the rules; empty where it can, or ends anyway."""
    try:
        answer = await worker.channel.ask("stage", rules, timeout_ms=_STAGE_TIMEOUT_MS)
    except NoAnswer as error:
        return "" if worker.told or not worker.lives else f"worker {worker.number}: {error}"
    problem = answer["problem"]
    return f"worker {worker.number}: {problem}" if problem else ""
