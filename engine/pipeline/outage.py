"""Events that come while the state store is away.

Where their type's rules say `pass`, they go out without a claim, are answered, and wait in the deferred queue to be
claimed and counted; the others are told to try again.
"""

from collections.abc import Sequence

from engine.errors import EgressUnavailable
from engine.event import BLOCKED, OUTCOME_ACCEPTED, RETRY, Event, Outcome
from engine.pipeline.batch import Batch
from engine.pipeline.filter import apply_filters
from engine.pipeline.intake import Arrival
from engine.pipeline.order import apply_late_policy
from engine.pipeline.stages import Stages

_STORE_AWAY = Outcome(RETRY, "store_unavailable", "the state store does not answer; send the event again")

_EGRESS_AWAY = Outcome(RETRY, "egress_unavailable", "neither the state store nor the egress answers; send the event again")


async def carry_without_store(stages: Stages, arrival: Arrival) -> None:
    """One arrival through the stages without claim and commit; every event of it is answered when this returns."""
    generation = arrival.generation
    plan = generation.plan
    passing, waiting = _split(arrival, stages.deferred.room)
    _hold_back(stages, waiting, _STORE_AWAY, arrival.watermark_ms)
    stages.counters.degraded_events += len(passing)
    batch = Batch(0, passing, arrival.watermark_ms, stages.clock.monotonic_ms())
    apply_late_policy(batch, plan.ruleset.events, plan.ruleset.routes, stages.counters)
    await generation.enricher.enrich(batch.events, plan)
    apply_filters(plan, batch, generation.counts)
    try:
        delivery = stages.publisher.hand_over(batch, plan.id, degraded=True)
        await stages.publisher.delivered(batch, delivery, plan.id)
    except EgressUnavailable:
        await stages.egress.purge()
        _hold_back(stages, batch.events, _EGRESS_AWAY, arrival.watermark_ms)
    counted = [(event, OUTCOME_ACCEPTED) for event, _ in batch.counted]
    for event, outcome in batch.freeing:
        if outcome.status == BLOCKED and plan.counts_blocked:
            counted.append((event, outcome))
        else:
            stages.answers.end(event, outcome)
    for event, outcome in counted:
        stages.answers.tell(event, outcome)
    stages.deferred.add([event for event, _ in counted], arrival.watermark_ms)


def _hold_back(stages: Stages, events: Sequence[Event], outcome: Outcome, watermark_ms: int | None) -> None:
    """Tell the senders to try again; where they were answered already, it is tried again here."""
    for event in events:
        if event.submission.taken:
            event.begin_again()
        else:
            stages.answers.end(event, outcome)
    stages.intake.returned.add([event for event in events if event.submission.taken], watermark_ms)


def _split(arrival: Arrival, room: int) -> tuple[list[Event], list[Event]]:
    """The events that may go out now, as far as the queue has room, and those that may not."""
    rules = arrival.generation.plan.ruleset.deduplication
    passing: list[Event] = []
    waiting: list[Event] = []
    for event in arrival.events:
        rule = rules.get(event.type)
        may_pass = (rule is None or rule.on_store_failure == "pass") and len(passing) < room
        (passing if may_pass else waiting).append(event)
    return passing, waiting
