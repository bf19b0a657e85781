"""The engine as its HTTP interface sees it: taking events in, and saying how it is.

Rule of the file: everything is read from the live parts at the moment it is asked for.
"""

from collections.abc import Callable
from typing import Final

from engine.event import JsonObject, Submission
from engine.metrics import Counters
from engine.operations.reload import Reloader, reload_as_json
from engine.operations.rules_state import rejected_as_json, state_as_json
from engine.pipeline.processor import Processor
from engine.ports import RequestLimits
from engine.rules.plan_events import EventPlan
from engine.rules.times import format_time

DISABLED: Final = "the processor is switched off (`processor.enabled`, EVENT_PROCESSOR_ENABLED): no events are taken"


class EngineService:
    """One worker's processor. `egress_problem` says what keeps the egress from taking records, None if nothing does.

    One that is not `enabled` takes no events; it answers everything else.
    """

    def __init__(
        self,
        processor: Processor,
        limits: RequestLimits,
        names: JsonObject,
        egress_problem: Callable[[], str | None],
        reloader: Reloader,
        *,
        enabled: bool = True,
    ) -> None:
        self._processor = processor
        self._limits = limits
        self._names = names
        self._egress_problem = egress_problem
        self._reloader = reloader
        self._enabled = enabled
        self._started_ms = processor.stages.clock.now_ms()

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
        return True, ""

    def status(self) -> JsonObject:
        """See Service."""
        processor = self._processor
        stages = processor.stages
        reasons = self._reasons()
        word = "stopping" if stages.intake.draining else "degraded" if reasons else "ok"
        word = word if self._enabled else "disabled"
        ledger, inbox = stages.answers.ledger, stages.intake.inbox
        return {
            "status": word,
            "reasons": reasons,
            "started_at": format_time(self._started_ms),
            "ruleset": self.ruleset,
            "workers": 1,
            "queue": {
                "events": inbox.events,
                "max_events": inbox.max_events,
                "bytes": inbox.size_bytes,
                "held_for_order": len(stages.intake.orderer.held),
                "deferred": len(stages.deferred),
            },
            "ledger": {"received": ledger.received, **ledger.ended, "in_flight": processor.in_flight()},
            "store": {"kind": self._names["store"], "answers": not stages.health.down, "problem": stages.health.reason},
            "egress": {"kind": self._names["egress"], "problem": self._egress_problem()},
            "counters": counters_as_json(stages.counters),
            "aggregations": processor.aggregated_events(),
        }

    def rules(self) -> JsonObject:
        """See Service."""
        return state_as_json(self._reloader.state, str(self._reloader.on_disk.directory))

    async def reload_rules(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """See Service."""
        ended = await self._reloader.reload(dry_run=dry_run)
        if ended.rejected is not None:
            return False, {"ruleset": ended.before.id, "dry_run": dry_run, **rejected_as_json(ended.rejected)}
        return True, reload_as_json(ended, dry_run=dry_run)

    def _reasons(self) -> list[str]:
        stages = self._processor.stages
        reasons = []
        if stages.health.down:
            reasons.append(f"store: {stages.health.reason}")
        if (problem := self._egress_problem()) is not None:
            reasons.append(f"egress: {problem}")
        reasons += self._reloader.state.reasons()
        if stages.counters.lost_writes:
            reasons.append("store: it has lost acknowledged writes")
        return reasons


def counters_as_json(counters: Counters) -> JsonObject:
    """Every counter by name."""
    return {name: getattr(counters, name) for name in Counters.__slots__}
