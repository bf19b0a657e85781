"""The engine as its HTTP interface sees it: taking events in, and saying how it is.

Rule of the file: everything is read from the live parts at the moment it is asked for.
"""

from engine.event import JsonObject, Submission
from engine.operations.observe import LiveParts, observe
from engine.operations.statistics import status
from engine.ports import RequestLimits


class EngineService:
    """One worker's processor."""

    def __init__(self, parts: LiveParts, limits: RequestLimits) -> None:
        self._parts = parts
        self._processor = parts.processor
        self._limits = limits

    @property
    def limits(self) -> RequestLimits:
        """See Service."""
        return self._limits

    @property
    def ruleset(self) -> str:
        """See Service."""
        return self._processor.stages.intake.generation.plan.id

    def now_ms(self) -> int:
        """See Service."""
        return self._processor.stages.clock.now_ms()

    def submit(self, submission: Submission) -> bool:
        """See Service."""
        return self._processor.offer(submission)

    def ready(self) -> tuple[bool, str]:
        """See Service."""
        stages = self._processor.stages
        if stages.intake.draining:
            return False, "the engine is stopping"
        if stages.health.down and not stages.deferred.room:
            return False, f"the state store does not answer: {stages.health.reason}"
        return True, ""

    def status(self) -> JsonObject:
        """See Service."""
        return status(observe(self._parts))
