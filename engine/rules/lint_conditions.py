"""Warnings about negated tests: they do not fire where a field is missing, whatever their author thinks.

In: a ruleset without errors. Out: findings. Rule of the file: a warning is only given where it is certain what events can hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from engine.rules.check_fields import narrow
from engine.rules.diagnostics import Findings
from engine.rules.event_fields import EventFields
from engine.rules.model import All, AnyOf, Condition, Not, Path, Ruleset, Test
from engine.rules.parse_operands import FLAGS
from engine.rules.uses import conditions_of

_NEGATING: Final = frozenset(("ne", "not_in"))


def lint_conditions(ruleset: Ruleset, findings: Findings) -> None:
    """Warn of negated tests on fields that may be missing."""
    fields = EventFields(ruleset)
    for owner in conditions_of(ruleset):
        with findings.about(owner.rule_id):
            # Who uses a named condition may allow fewer types than it sees: there a field counts where one type has it.
            for test in _unsure(owner.condition, _Sight(ruleset, fields, anywhere=owner.rule_id.startswith("conditions."))):
                _add_unsure(test, findings)


def _add_unsure(test: Test, findings: Findings) -> None:
    name = test.path.text
    if test.operator in _NEGATING:
        help = f"say `if_missing: match` or `if_missing: no_match`, or test `{name}: {{exists: true}}` beside it"
    else:
        help = f"test `{name}: {{exists: true}}` beside it: without the field this is unknown and never fires"
    findings.add("W602", f"`{name}` may be missing, and this test is negated", test.span, help=help)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is known where a test stands."""

    ruleset: Ruleset
    fields: EventFields
    types: frozenset[str] | None = None
    present: frozenset[Path] = frozenset()
    negated: bool = False
    anywhere: bool = False

    def always_has(self, path: Path) -> bool:
        """Whether every event that gets here has the field; with `anywhere`, every event of one of the types."""
        facts = [fact.always for fact in self.fields.facts(path, self.types)]
        return any(facts) if self.anywhere else all(facts)


def _unsure(condition: Condition, sight: _Sight) -> Iterator[Test]:
    """Negated tests on fields that may be missing, where nothing says what is meant then."""
    match condition:
        case All(items):
            present = {item.path for item in items if isinstance(item, Test) and item.operator == "exists" and item.value is True}
            inner = replace(sight, types=narrow(items, sight.types, sight.ruleset), present=sight.present | present)
            for item in items:
                yield from _unsure(item, inner)
        case AnyOf(items):
            for item in items:
                yield from _unsure(item, sight)
        case Not(item):
            yield from _unsure(item, replace(sight, negated=not sight.negated))
        case Test():
            turned = sight.negated is not (condition.operator in _NEGATING)
            said = condition.operator in FLAGS or condition.if_missing is not None or condition.path in sight.present
            if turned and not said and not sight.always_has(condition.path):
                yield condition
