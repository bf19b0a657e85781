"""A second ruleset in the shadow of the one in service: what would it have done?

In: each batch as the filters first see it. Out: how often its filters decide otherwise, with a few examples. Rule of the file: it never acts. It judges copies, its
errors are counted here and nowhere else, and what is kept of it is bounded. Enrichment, deduplication and aggregations are those in service: its filters alone are tried.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final

from engine.event import Event, FilterCounts, JsonObject
from engine.operations.rules_on_disk import Attempt, RulesOnDisk
from engine.operations.rules_state import RejectedRules, findings_as_json, rejected_as_json, rejected_rules
from engine.pipeline.onlookers import After, Onlookers
from engine.ports import Clock
from engine.rules.diagnostics import Finding
from engine.rules.first_error import FirstError
from engine.rules.plan import Plan
from engine.rules.times import format_time

MAX_DIFFERENCES_KEPT: Final = 20
KINDS: Final = ("blocked", "marks", "routes", "copies", "topic", "event")
"""What two rulesets can decide otherwise of an event; `event` is its contents."""

_FIGURES: Final = ("evaluated", "matched", "unknown", "wrong_type", "errors", "held_back")
_log = logging.getLogger("rulemill.rules")


@dataclass(slots=True)
class Trial:
    """What was seen of one plan beside one ruleset in service, since both are there.

    `differing` counts events, `kinds` what was otherwise about them. `samples` are the newest of them.
    """

    plan: Plan
    counts: FilterCounts
    against: str = ""
    events: int = 0
    differing: int = 0
    errors: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    samples: deque[JsonObject] = field(default_factory=lambda: deque(maxlen=MAX_DIFFERENCES_KEPT))


class ShadowRules:
    """The ruleset of a second directory. Changed contents are taken up as those of the rules in service are; broken ones leave it as it is.

    Each of its tests of texts remembers at most `max_texts` answers.
    """

    def __init__(self, on_disk: RulesOnDisk, clock: Clock, onlookers: Onlookers, max_texts: int) -> None:
        self.on_disk = on_disk
        self.trial: Trial | None = None
        self.rejected: RejectedRules | None = None
        self._clock = clock
        self._max_texts = max_texts
        self._lock = asyncio.Lock()
        self._seen = ""
        self._loaded_ms = 0
        self._findings: Sequence[Finding] = ()
        self._report = FirstError("the shadow rules")
        onlookers.join(self._look)

    def start(self) -> None:
        """Compile what is in the directory; blocks. Where it is broken there is no shadow until it is mended."""
        self._take(self.on_disk.compile_now())

    async def look(self) -> None:
        """Take up the contents if they are others than those of the last attempt."""
        async with self._lock:
            if await self.on_disk.mark() != self._seen:
                self._take(await self.on_disk.compile(patient=True))

    async def reload(self) -> bool:
        """Take up the contents; False where they are broken."""
        async with self._lock:
            self._take(await self.on_disk.compile(patient=False))
            return self.rejected is None

    async def answer(self, *, reload: bool) -> tuple[bool, JsonObject]:
        """What was seen; with `reload` after the contents were taken up, and False where they are broken."""
        good = await self.reload() if reload else True
        return good, self.as_json()

    def figures(self) -> dict[str, int]:
        """What is counted, by name; differences by `difference.KIND`."""
        trial = self.trial
        if trial is None:
            return {}
        kinds = {f"difference.{kind}": trial.kinds[kind] for kind in KINDS}
        return {"events": trial.events, "differing": trial.differing, "errors": trial.errors, **kinds}

    def kept(self) -> dict[str, int]:
        """What is kept for the rules that are tried, and its bounds, by name; it comes on top of the same for those in service."""
        texts = None if self.trial is None else self.trial.plan.texts
        return {} if texts is None else {"remembered_texts": len(texts), "remembered_max_texts": texts.most}

    def as_json(self) -> JsonObject:
        """As `GET /rules/shadow` answers it."""
        trial = self.trial
        head: JsonObject = {
            "ruleset": None if trial is None else trial.plan.id,
            "directory": str(self.on_disk.directory),
            "findings": findings_as_json(self._findings),
            "rejected": None if self.rejected is None else rejected_as_json(self.rejected),
        }
        if trial is None:
            return head
        return {
            **head,
            "loaded_at": format_time(self._loaded_ms),
            "against": trial.against or None,
            "events": trial.events,
            "differing": trial.differing,
            "errors": trial.errors,
            "differences": {kind: trial.kinds[kind] for kind in KINDS},
            "filters": _filters(trial),
            "samples": list(reversed(trial.samples)),
        }

    def _take(self, attempt: Attempt) -> None:
        plan, self._seen = attempt.compiled.plan, attempt.mark
        if plan is None:
            self.rejected = rejected_rules(attempt, self._clock.now_ms())
            _log.error("the shadow rules cannot be used\n%s", self.rejected.text.rstrip())
            return
        self.rejected, self._findings = None, attempt.compiled.findings
        if self.trial is None or self.trial.plan.id != plan.id:
            plan.texts.max_texts = self._max_texts
            self.trial, self._loaded_ms = _begun(plan), self._clock.now_ms()
            _log.info("ruleset `%s` is tried in the shadow", plan.id)

    def _look(self, active: Plan, events: Sequence[Event]) -> After | None:
        trial = self.trial
        if trial is None:
            return None
        if trial.against != active.id:
            trial = self.trial = _begun(trial.plan)
            trial.against = active.id
        twins = [copy(event) for event in events]
        try:
            trial.plan.filter(twins, trial.counts)
        except Exception as error:  # noqa: BLE001 - rules that are only tried must not cost an event anything
            trial.errors += 1
            self._report(error)
            return None
        return lambda: _compare(trial, events, twins)


def _begun(plan: Plan) -> Trial:
    return Trial(plan, FilterCounts.zero(len(plan.ruleset.filters)))


def _compare(trial: Trial, events: Sequence[Event], twins: Sequence[Event]) -> None:
    """Count and keep where the two have decided otherwise."""
    trial.events += len(events)
    for event, twin in zip(events, twins, strict=True):
        kinds = _kinds(event, twin)
        if kinds:
            trial.differing += 1
            trial.kinds.update(kinds)
            trial.samples.append(_sample(event, twin, kinds))


def _kinds(event: Event, twin: Event) -> list[str]:
    kinds = [kind for kind in KINDS[:-1] if getattr(event, kind) != getattr(twin, kind)]
    if event.data is not twin.data and event.data != twin.data:
        kinds.append("event")
    return kinds


def _sample(event: Event, twin: Event, kinds: Sequence[str]) -> JsonObject:
    return {
        "id": event.submission.ids[event.index],
        "type": event.type,
        "time": format_time(event.time_ms),
        "key": event.key,
        "differences": list(kinds),
        "active": _decision(event),
        "shadow": _decision(twin),
    }


def _decision(event: Event) -> JsonObject:
    blocked = None if event.blocked is None else {"filter": event.blocked[0], "reason": event.blocked[1]}
    return {
        "blocked": blocked,
        "marks": list(event.marks),
        "routes": list(event.routes),
        "copies": list(event.copies),
        "topic": event.topic,
    }


def _filters(trial: Trial) -> JsonObject:
    rules = enumerate(trial.plan.ruleset.filters)
    return {
        rule.id: {"mode": rule.mode, **{name: getattr(trial.counts, name)[index] for name in _FIGURES}} for index, rule in rules
    }
