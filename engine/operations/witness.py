"""What the rules did to events that somebody asked about as they came in.

In: submissions that are watched. Out: for each of their events what actually happened to it, and why. Rule of the file: while an event is on its way only
its members are noted; everything else is done when its submission has ended.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.event import OUTCOME_ACCEPTED, Event, JsonObject, Submission
from engine.operations.explaining import EventExplanation, explain_seen
from engine.operations.explanation_forms import as_json
from engine.pipeline.onlookers import Onlookers
from engine.rules.plan import Plan

_NOT_SEEN: Final = "it was answered before it came to the filters, or never came to them"


@dataclass(frozen=True, slots=True)
class _Sighting:
    """An event as the filters first saw it, and the plan that judged it."""

    plan: Plan
    event: Event
    data: JsonObject


class Witness:
    """Notes what the filters see of the submissions that it watches."""

    def __init__(self, onlookers: Onlookers) -> None:
        self._watched: dict[int, dict[int, _Sighting]] = {}
        onlookers.join(self._look)

    def watch(self, submission: Submission) -> None:
        """Note what becomes of a submission, until `forget`."""
        self._watched[id(submission)] = {}

    def forget(self, submission: Submission) -> None:
        """Watch it no longer."""
        self._watched.pop(id(submission), None)

    async def explanations(self, submission: Submission) -> list[JsonObject]:
        """What happened to each event of a watched submission that has ended, in their order. Others may run between two."""
        found = []
        for index in range(len(submission.items)):
            found.append(self._explanation(submission, index))
            await asyncio.sleep(0)
        return found

    def _look(self, plan: Plan, events: Sequence[Event]) -> None:
        if self._watched:
            for event in events:
                noted = self._watched.get(id(event.submission))
                if noted is not None:
                    noted[event.index] = _Sighting(plan, event, dict(event.data))

    def _explanation(self, submission: Submission, index: int) -> JsonObject:
        seen = self._watched.get(id(submission), {}).get(index)
        identity, outcome = submission.ids[index], submission.outcomes[index] or OUTCOME_ACCEPTED
        if seen is None:
            found = as_json(EventExplanation(submission.ruleset, identity, outcome))
            return {**found, "note": _NOT_SEEN} if outcome == OUTCOME_ACCEPTED else found
        return as_json(explain_seen(seen.plan, identity, seen.event, seen.data, outcome))
