"""The parts that outlive an owner, as the processor uses them. `app.py` puts them together."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.metrics import Counters
from engine.pipeline.aggregate import Aggregator
from engine.pipeline.answers import Answers
from engine.pipeline.deduplicate import Deduplicator
from engine.pipeline.deferred import DeferredQueue
from engine.pipeline.generation import Generation
from engine.pipeline.intake import Intake
from engine.pipeline.owner import StoreHealth
from engine.pipeline.progress import CommittedTime, SubmissionTimes
from engine.pipeline.publish import Publisher
from engine.pipeline.recent import RecentKeys
from engine.ports import Clock, Egress, StateStore
from engine.rules.plan import Plan


@dataclass(frozen=True, slots=True)
class Stages:
    """One of each, shared by all batches. `aggregator` makes an owner's empty accumulators, `generation` what a plan needs in service.

    `generation` takes the plan and a number, and raises what keeps a source of the plan from being opened.
    """

    intake: Intake
    deduplicator: Deduplicator
    publisher: Publisher
    answers: Answers
    recent: RecentKeys
    deferred: DeferredQueue
    aggregator: Callable[[], Aggregator]
    generation: Callable[[Plan, int], Generation]
    store: StateStore
    egress: Egress
    clock: Clock
    health: StoreHealth
    counters: Counters
    times: SubmissionTimes
    committed_time: CommittedTime
