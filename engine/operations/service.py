"""The engine as its HTTP interface sees it: taking events in, and saying how it is.

Rule of the file: everything is read from the live parts at the moment it is asked for.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from engine.event import JsonObject, Submission
from engine.operations.observe import LiveParts, observe
from engine.operations.snapshot import Snapshot
from engine.operations.statistics import status
from engine.ports import RequestLimits
from engine.rules.plan_events import EventPlan

DISABLED: Final = "the processor is switched off (`processor.enabled`, EVENT_PROCESSOR_ENABLED): no events are taken"


class RulesControl(Protocol):
    """The rules in service, shown and changed: a Reloader, or whoever reloads for all workers."""

    async def shown(self) -> JsonObject:
        """The rules in service, and those that were refused last, as `GET /rules` answers them."""

    async def reload_and_tell(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """Put what the rules directory holds in service, and say how that ended, as `POST /rules/reload` answers.

        False, with the findings, where the rules were refused: the old ones go on.
        """


class EngineService:
    """One worker's processor. One that is not `enabled` takes no events; it answers everything else.

    `snapshot` is that of all workers; without one, this worker is all there is.
    """

    def __init__(
        self,
        parts: LiveParts,
        limits: RequestLimits,
        rules: RulesControl,
        *,
        enabled: bool = True,
        snapshot: Callable[[], Awaitable[Snapshot]] | None = None,
    ) -> None:
        self._parts = parts
        self._processor = parts.processor
        self._limits = limits
        self._rules = rules
        self._enabled = enabled
        self._snapshot = snapshot

    @property
    def limits(self) -> RequestLimits:
        """See Service."""
        return self._limits

    @property
    def event_plan(self) -> EventPlan:
        """See Service."""
        return self._processor.stages.intake.generation.plan.events

    @property
    def ruleset(self) -> str:
        """See Service."""
        return self._processor.stages.intake.generation.plan.id

    @property
    def enabled(self) -> bool:
        """See Service."""
        return self._enabled

    def now_ms(self) -> int:
        """See Service."""
        return self._processor.stages.clock.now_ms()

    def submit(self, submission: Submission) -> bool:
        """See Service."""
        return self._enabled and self._processor.offer(submission)

    def ready(self) -> tuple[bool, str]:
        """See Service."""
        stages = self._processor.stages
        if not self._enabled:
            return False, DISABLED
        if stages.intake.draining:
            return False, "the engine is stopping"
        if stages.health.down and not stages.deferred.room:
            return False, f"the state store does not answer: {stages.health.reason}"
        inbox, problem = stages.intake.inbox, self._parts.egress_problem()
        if problem is not None and inbox.events and not inbox.room.is_set():
            return False, f"the egress takes no records, and as many events wait as the engine can hold: {problem}"
        return True, ""

    async def status(self) -> JsonObject:
        """See Service."""
        shown = status(observe(self._parts) if self._snapshot is None else await self._snapshot())
        return shown if self._enabled else {**shown, "status": "disabled"}

    async def rules(self) -> JsonObject:
        """See Service."""
        return await self._rules.shown()

    async def reload_rules(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """See Service."""
        return await self._rules.reload_and_tell(dry_run=dry_run)
