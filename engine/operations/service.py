"""The engine as its HTTP interface sees it: taking events in, and saying how it is.

Rule of the file: everything is read from the live parts at the moment it is asked for.
"""

from typing import Final

from engine.event import JsonObject, Submission
from engine.operations.observe import LiveParts, observe
from engine.operations.reload import Reloader, reload_as_json
from engine.operations.rules_state import rejected_as_json, state_as_json
from engine.operations.statistics import status
from engine.ports import RequestLimits
from engine.rules.plan_events import EventPlan

DISABLED: Final = "the processor is switched off (`processor.enabled`, EVENT_PROCESSOR_ENABLED): no events are taken"


class EngineService:
    """One worker's processor. One that is not `enabled` takes no events; it answers everything else."""

    def __init__(self, parts: LiveParts, limits: RequestLimits, reloader: Reloader, *, enabled: bool = True) -> None:
        self._parts = parts
        self._processor = parts.processor
        self._limits = limits
        self._reloader = reloader
        self._enabled = enabled

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

    def status(self) -> JsonObject:
        """See Service."""
        shown = status(observe(self._parts))
        return shown if self._enabled else {**shown, "status": "disabled"}

    def rules(self) -> JsonObject:
        """See Service."""
        return state_as_json(self._reloader.state, str(self._reloader.on_disk.directory))

    async def reload_rules(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """See Service."""
        ended = await self._reloader.reload(dry_run=dry_run)
        if ended.rejected is not None:
            return False, {"ruleset": ended.before.id, "dry_run": dry_run, **rejected_as_json(ended.rejected)}
        return True, reload_as_json(ended, dry_run=dry_run)
