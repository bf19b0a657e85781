"""One generation takes over from another while events go on.

In: the parts at work, and the generation that is to decide from now on. Out: the one before, which still has batches on their way. Rule of
the file: the change is one step on the event loop, so that no batch is decoded under one plan and judged under another.
"""

from dataclasses import dataclass

from engine.event import Event, FilterCounts
from engine.pipeline.generation import Generation
from engine.pipeline.stages import Stages
from engine.rules.changes import same_filters


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A generation out of service, and what its filters had counted by then."""

    generation: Generation
    counted: FilterCounts

    def settle(self, stages: Stages) -> None:
        """Give what its last batches counted to the generation in service. Call it once, when it is through."""
        current = stages.intake.generation
        places = same_filters(self.generation.plan, current.plan)
        current.counts.take_in(self.generation.counts, places, less=self.counted)


def hand_over(stages: Stages, successor: Generation) -> Predecessor:
    """Have the successor decode and judge what comes from now on; batches that were taken in keep to their generation.

    Events that are held for their order leave under the successor, so they are looked at again; its counts begin where
    those of the filters that it has in common with the one before are.
    """
    before = stages.intake.generation
    successor.counts.take_in(before.counts, same_filters(before.plan, successor.plan))
    stages.deduplicator.follow(successor.plan.ruleset.deduplication)
    stages.intake.generation = successor
    _look_again(stages, successor)
    return Predecessor(before, before.counts.copy())


def _look_again(stages: Stages, generation: Generation) -> None:
    refused: list[Event] = []
    for event in stages.intake.orderer.held:
        event.submission.ruleset = generation.plan.id
        outcome = generation.recheck(event)
        if outcome is not None:
            refused.append(event)
            stages.answers.end(event, outcome)
    stages.intake.orderer.take_out(refused)
