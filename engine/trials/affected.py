"""Which tests can tell a mutant from the ruleset, found without running them.

In: the events that each test's filters saw, and a mutant. Out: the tests that it is worth running. Rule of the file: a test that is left out
cannot have failed: all that its expectations read is what it was.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.event import Event, FilterCounts, JsonObject, Submission
from engine.rules.model import Ruleset, RuleTest
from engine.rules.plan import Plan
from engine.rules.uses import expectations_of
from engine.trials.mutants.mutant import Mutant

_BEFORE_FILTERS: Final = frozenset(("events", "deduplication", "derived"))
_NOWHERE: Final = Submission([b""], input_name="mutants", received_ms=0, size_bytes=0, done=lambda _: None)


@dataclass(slots=True)
class Sightings:
    """A test, and its events as the filters first saw them, each with its time. `other_rules`: some of it ran under rules that it loaded."""

    test: RuleTest
    events: list[tuple[JsonObject, int]] = field(default_factory=list)
    other_rules: bool = False

    def witness(self, ruleset: Ruleset) -> Callable[[Ruleset, JsonObject, int], None]:
        """Who takes the events in."""

        def see(other: Ruleset, data: JsonObject, time_ms: int) -> None:
            self.other_rules = self.other_rules or other is not ruleset
            self.events.append((data, time_ms))

        return see


class Affected:
    """Finds the tests that a mutant can affect."""

    def __init__(self, plan: Plan, seen: Sequence[Sightings]) -> None:
        self._plan = plan
        self._seen = seen
        self._decided = [_decisions(plan, sightings.events) for sightings in seen]

    def tests(self, mutant: Mutant, mutated: Plan) -> Iterator[RuleTest]:
        """The tests to run, in their order. Names of sections are those of `rule_id`."""
        section, _, name = mutant.rule_id.partition(".")
        for sightings, before in zip(self._seen, self._decided, strict=True):
            if self._is_affected(sightings, section, name) or (
                section not in _BEFORE_FILTERS and _decisions(mutated, sightings.events) != before
            ):
                yield sightings.test

    def _is_affected(self, sightings: Sightings, section: str, name: str) -> bool:
        """Whether a test may see the mutant whatever the filters decide."""
        aggregations = self._plan.ruleset.aggregations
        if section in _BEFORE_FILTERS or sightings.other_rules:
            return True
        if section == "aggregations":
            return _reads(sightings.test, (name,)) or aggregations[name].late_route is not None
        return section in {"conditions", "lists"} and _reads(sightings.test, aggregations)


def _reads(test: RuleTest, aggregations: Collection[str]) -> bool:
    return any(expected.get("aggregation") in aggregations for expected in expectations_of(test))


def _decisions(plan: Plan, events: Sequence[tuple[JsonObject, int]]) -> list[object]:
    """Everything that the filters of a plan do to each of these events, one at a time."""
    return [_decision(plan, data, time_ms) for data, time_ms in events]


def _decision(plan: Plan, data: JsonObject, time_ms: int) -> object:
    event = Event(dict(data), None, "", time_ms, None, None, 0, 0, _NOWHERE, 0)
    counts = FilterCounts.zero(len(plan.ruleset.filters))
    plan.filter((event,), counts)
    acted = (event.data, event.marks, event.routes, event.copies, event.topic, event.blocked)
    return acted, counts.matched
