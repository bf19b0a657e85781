"""Which sides of the tests in conditions some event has shown: true, false, or neither.

In: a ruleset, and events as its filters see them. Out: for each rule, what was never true and what was never false. Rule of the file: judged by
the interpreter, leaf by leaf, also where the result of the whole is clear before. Tests inside `some`, `every` and `size` count for each element.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.event import JsonObject
from engine.rules.interpreter import Explanation
from engine.rules.model import All, AnyOf, Condition, Not, Ruleset, Test, Use
from engine.rules.tallies import tallies
from engine.rules.uses import Owned, conditions_of, leaves
from engine.rules.verdicts import judge


@dataclass(slots=True)
class Leaf:
    """One test of a condition, and how it has come out."""

    test: Test
    was_true: bool = False
    was_false: bool = False

    @property
    def sides(self) -> int:
        """How many of its two sides were shown."""
        return self.was_true + self.was_false


@dataclass(slots=True)
class RuleCoverage:
    """The tests in the conditions of one rule; those of a named condition belong to that."""

    rule_id: str
    leaves: list[Leaf] = field(default_factory=list)

    @property
    def shown(self) -> int:
        """The sides that were shown."""
        return sum(leaf.sides for leaf in self.leaves)

    @property
    def sides(self) -> int:
        """The sides that there are."""
        return 2 * len(self.leaves)


class Coverage:
    """Collects what events show of a ruleset's conditions. Left out are filters that are off, and named conditions that nothing else uses."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.rules: list[RuleCoverage] = []
        self._ruleset = ruleset
        self._leaves: dict[int, Leaf] = {}
        rules: dict[str, RuleCoverage] = {}
        for owned in at_work(ruleset):
            rule = rules.setdefault(owned.rule_id, RuleCoverage(owned.rule_id))
            for test in _tests(owned.condition):
                leaf = self._leaves[id(test)] = Leaf(test)
                rule.leaves.append(leaf)
        self.rules = [rule for rule in rules.values() if rule.leaves]

    @property
    def percent(self) -> float:
        """The share of sides that were shown; 100 where there are none."""
        sides = sum(rule.sides for rule in self.rules)
        return 100 * sum(rule.shown for rule in self.rules) / sides if sides else 100.0

    def see(self, data: JsonObject, time_ms: int) -> None:
        """Take in an event as the filters first see it."""
        verdict = judge(self._ruleset, data, time_ms)
        for judged in verdict.filters:
            self._note(judged.rule.when, judged.explanation)
        for tally in tallies(self._ruleset, verdict, time_ms):
            self._note(tally.rule.when, tally.when)
            for measure in tally.rule.measures:
                self._note(measure.condition, tally.measures.get(measure.name))

    def _note(self, condition: Condition | None, found: Explanation | None) -> None:
        if condition is None or found is None:
            return
        match condition:
            case All(items) | AnyOf(items):
                for item, part in zip(items, found.parts, strict=True):
                    self._note(item, part)
            case Not(item):
                self._note(item, found.parts[0])
            case Use(name):
                self._note(self._ruleset.conditions[name], found.parts[0])
            case Test():
                self._note_test(condition, found)

    def _note_test(self, test: Test, found: Explanation) -> None:
        leaf = self._leaves.get(id(test))
        if leaf is not None:
            leaf.was_true = leaf.was_true or found.result is True
            leaf.was_false = leaf.was_false or found.result is False
        if isinstance(test.value, Condition):
            for part in found.parts:
                self._note(test.value, part)


def at_work(ruleset: Ruleset) -> Iterator[Owned]:
    """The conditions that some event may meet, each with its owner."""
    off = {f"filters.{rule.id}" for rule in ruleset.filters if rule.mode == "off"}
    named = {f"conditions.{name}": name for name in ruleset.conditions}
    owned = list(conditions_of(ruleset))
    used: set[str] = set()
    waiting = [one.condition for one in owned if one.rule_id not in off and one.rule_id not in named]
    while waiting:
        names = {leaf.item.name for leaf in leaves(waiting.pop()) if isinstance(leaf.item, Use)} - used
        used |= names
        waiting += [ruleset.conditions[name] for name in names]
    yield from (one for one in owned if one.rule_id not in off and named.get(one.rule_id) in {None, *used})


def _tests(condition: Condition) -> Iterator[Test]:
    return (leaf.item for leaf in leaves(condition) if isinstance(leaf.item, Test))
