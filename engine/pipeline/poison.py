"""Events that every worker dies of."""

from engine.event import REJECTED, Outcome
from engine.pipeline.batch import Batch

TAKEOVERS_ALLOWED = 3
_POISON = Outcome(REJECTED, "poison", "every worker that held this event died; it was kept as a dead letter", stage="publish")


def set_poison_aside(batch: Batch) -> None:
    """Keep events that were taken over more often than a fault of the workers explains from the stages.

    They become dead letters, and their claims are freed.
    """
    poison = [event for event in batch.events if event.takeovers > TAKEOVERS_ALLOWED]
    if poison:
        batch.freeing += [(event, _POISON) for event in poison]
        batch.events = [event for event in batch.events if event.takeovers <= TAKEOVERS_ALLOWED]
