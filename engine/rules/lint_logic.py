"""Warnings about what conditions mean: a part that can never hold, a whole that always does, a clause that the others imply.

In: a ruleset without errors. Out: findings. Rule of the file: the reasoner says so, or nothing is said. What events can hold counts for what is
impossible and for what is always so; a clause is only called superfluous where the others alone imply it, since the schema of tomorrow may
let in more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.rules.diagnostics import Findings, Related, shown
from engine.rules.durations import as_duration
from engine.rules.formulas import ALWAYS, Formula, every, one_of, places_in
from engine.rules.model import All, AnyOf, Condition, FieldRef, ListRef, Not, Ruleset, Test, Use
from engine.rules.normalise import Normal, normalise
from engine.rules.parse_operands import AGES, FLAGS
from engine.rules.places import NOWHERE, Span
from engine.rules.reasoning import Reasoner
from engine.rules.uses import conditions_of, leaves
from engine.rules.values import ENRICHMENT

_NEGATING: Final = frozenset(("ne", "not_in", "older_than"))
_MAX_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Reasoners:
    """One that knows what events can hold, and one for what holds of any value."""

    of_events: Reasoner
    of_values: Reasoner


def make_reasoners(ruleset: Ruleset) -> Reasoners:
    """Both reasoners, for all conditions of a ruleset and the parts of them that lie in elements."""
    normals: list[Normal] = []
    for owner in conditions_of(ruleset):
        normals.append(normalise(owner.condition, ruleset))
        normals += [normalise(inner, ruleset) for inner in _inner(owner.condition)]
    of_events = Reasoner(ruleset, normals)
    return Reasoners(of_events, of_events.of_any_values())


def _inner(condition: Condition) -> Iterator[Condition]:
    for leaf in leaves(condition):
        if isinstance(leaf.item, Test) and isinstance(leaf.item.value, Condition) and leaf.item.operator != "size":
            yield leaf.item.value


def lint_logic(ruleset: Ruleset, reasoners: Reasoners, findings: Findings) -> None:
    """Warn of every condition and every part of one that cannot decide anything."""
    for name, condition in ruleset.conditions.items():
        with findings.about(f"conditions.{name}"):
            if not _may_mix_places(condition):
                _Group(reasoners.of_values, reasoners.of_values, findings).walk(condition)
    for rule in ruleset.filters:
        with findings.about(f"filters.{rule.id}"):
            group = _Group(reasoners.of_events, reasoners.of_values, findings)
            if group.walk(rule.when) and not _names_the_type(rule.when, ruleset):
                group.always(rule.when, ALWAYS, "")
    for aggregation in ruleset.aggregations.values():
        with findings.about(f"aggregations.{aggregation.id}"):
            group = _Group(reasoners.of_events, reasoners.of_values, findings)
            counted: Formula = ALWAYS
            if aggregation.when is not None and group.walk(aggregation.when):
                if not _names_the_type(aggregation.when, ruleset):
                    group.always(aggregation.when, ALWAYS, "leave `when` out")
                counted = reasoners.of_events.formula(aggregation.when)
            for measure in aggregation.measures:
                if measure.condition is not None and group.among(counted).walk(measure.condition):
                    group.always(measure.condition, counted, f"write `{measure.name}: count`")


def _names_the_type(condition: Condition, ruleset: Ruleset) -> bool:
    """Whose events are of one type so far says on purpose which one is meant: there will be others."""
    return isinstance(condition, Test) and condition.operator == "eq" and condition.path.steps == ruleset.events.type.steps


def _may_mix_places(condition: Condition) -> bool:
    """In an element `user.a` and `enrichment.user.a` are two places, and in an event with a source `user` they are one."""
    return any(isinstance(leaf.item, Test) and leaf.item.path.steps[:1] == (ENRICHMENT,) for leaf in leaves(condition))


@dataclass(frozen=True, slots=True)
class _Group:
    """Goes through a condition. `context` is what holds wherever its part is asked."""

    reasoner: Reasoner
    plain: Reasoner
    findings: Findings
    context: Formula = ALWAYS
    negated: bool = False

    def among(self, context: Formula) -> "_Group":
        """The same, where this holds as well."""
        return replace(self, context=every((self.context, context)))

    def walk(self, condition: Condition) -> bool:
        """Report each part that can never hold, and each that the others imply. Returns whether the condition can hold."""
        match condition:
            case Not(item):
                return replace(self, negated=not self.negated).walk(item)
            case All(items, span) if not self.negated:
                return self._conjunction(items, span)
            case AnyOf(items, span) if self.negated:
                return self._conjunction(items, span)
            case All(items) | AnyOf(items):
                return self._alternatives(condition, items)
            case Test():
                self._elements(condition)
        return self._alone(condition)

    def _elements(self, test: Test) -> None:
        if isinstance(test.value, Condition) and test.operator != "size" and not _may_mix_places(test.value):
            _Group(self.plain, self.plain, self.findings, negated=self.negated).walk(test.value)

    def _formula(self, condition: Condition) -> Formula:
        return self.reasoner.formula(condition, negated=self.negated)

    def _possible(self, *formulas: Formula) -> bool:
        return self.reasoner.is_possible(every((self.context, *formulas)))

    def _alone(self, condition: Condition) -> bool:
        """A single test or named condition."""
        if self._possible(self._formula(condition)):
            return True
        what = _what(condition, negated=self.negated)
        help = "no event has a value that meets it: this never fires" if self.context == ALWAYS else _CONTEXT_HELP
        self.findings.add("W603", f"{what} can never hold here", span_of(condition), help=help)
        return False

    def _conjunction(self, items: Sequence[Condition], span: Span) -> bool:
        for item in items:
            if isinstance(item, Test):
                self._elements(item)
        joined = [item for item in items if not _is_single(item)]
        if self._possible(*map(self._formula, items)):
            if not all(self._inside(item, items) for item in joined):
                return False
            self._superfluous(items, span)
            return True
        if self._are_possible([item for item in items if _is_single(item)]):
            if all(self._inside(item, items) for item in joined):
                self._are_possible(items)
            return False
        for item in joined:
            self.walk(item)
        return False

    def _are_possible(self, items: Sequence[Condition]) -> bool:
        """Whether the items can hold at once; the first that those before it exclude is reported."""
        formulas = [self._formula(item) for item in items]
        if self._possible(*formulas):
            return True
        count = next((count for count in range(1, len(items)) if not self._possible(*formulas[:count])), len(items))
        self._add_impossible(items[:count], formulas[:count])
        return False

    def _inside(self, item: Condition, items: Sequence[Condition]) -> bool:
        """Walk a part that stands beside others, which all hold where it is asked."""
        inner = self.among(every(self._formula(other) for other in items if other is not item))
        # Where the others already exclude each other, each is only looked at for itself.
        return (inner if inner._possible() else replace(self, context=ALWAYS)).walk(item)  # noqa: SLF001 - of the same class

    def _add_impossible(self, items: Sequence[Condition], formulas: Sequence[Formula]) -> None:
        """The last of the items is the first that cannot be met: name the one that is in its way, if a single one is."""
        culprit = items[-1]
        if not self._possible(formulas[-1]):
            self._alone(culprit)
            return
        pairs = zip(items[:-1], formulas[:-1], strict=True)
        other = next((item for item, formula in pairs if not self._possible(formula, formulas[-1])), None)
        what = _what(culprit, negated=self.negated)
        if other is None:
            self.findings.add("W603", f"{what} can never hold beside the others", span_of(culprit), help=_CONTEXT_HELP)
            return
        related = (Related("the other test", span_of(other)),)
        message = f"{what} excludes {_what(other, negated=self.negated)}"
        if isinstance(culprit, Test) and isinstance(other, Test) and culprit.path == other.path and not self.negated:
            message = f"`{culprit.path.text}` can never be both `{_said(other)}` and `{_said(culprit)}`"
        help = "this never fires; for either of them write `any: […]`"
        self.findings.add("W603", message, span_of(culprit), help=help, related=related)

    def _superfluous(self, items: Sequence[Condition], span: Span) -> None:
        """Clauses of which the others leave nothing to ask. Of two that imply each other the later one is named."""
        kept = list(items)
        for item in reversed(items):
            rest = [other for other in kept if other is not item]
            wanted = self.plain.formula(item, negated=self.negated)
            if not self._share(wanted, rest) or self._said_on_purpose(item, items):
                continue
            if self.plain.follows(every(self.plain.formula(other, negated=self.negated) for other in rest), wanted):
                kept = rest
                related = tuple(Related("what implies it", span_of(other)) for other in rest if self._implies(other, wanted))[:1]
                message = f"{_what(item, negated=self.negated)} holds wherever the others do"
                self.findings.add("W610", message, _place(item, span), help="leave it out", related=related)

    def _share(self, formula: Formula, others: Sequence[Condition]) -> bool:
        """Whether the others ask for anything that the formula asks for: otherwise nothing follows from them."""
        places = frozenset(places_in(formula))
        return any(not places.isdisjoint(places_in(self.plain.formula(other, negated=self.negated))) for other in others)

    def _implies(self, other: Condition, wanted: Formula) -> bool:
        return self.plain.follows(self.plain.formula(other, negated=self.negated), wanted)

    def _said_on_purpose(self, item: Condition, items: Sequence[Condition]) -> bool:
        """A test of presence beside a negated test is what W602 asks for."""
        if not isinstance(item, Test) or item.operator not in FLAGS:
            return False
        return any(
            isinstance(leaf.item, Use) or (leaf.item.path == item.path and (leaf.negated or leaf.item.operator in _NEGATING))
            for other in items
            for leaf in leaves(other)
            if leaf.item is not item
        )

    def _alternatives(self, condition: Condition, items: Sequence[Condition]) -> bool:
        """A part of what is denied may be impossible here and still be well said: only all of them together are reported."""
        formulas = [self._formula(item) for item in items]
        if not any(map(self._possible, formulas)) and (self.negated or all(map(self.reasoner.is_possible, formulas))):
            return self._alone(condition)
        if not self.negated and len(possible := [item for item in items if self.walk(item)]) < len(items):
            return bool(possible)
        self._covered(items)
        return True

    def _covered(self, items: Sequence[Condition]) -> None:
        """Alternatives that others cover. Of two that are the same the later one is named."""
        kept = list(items)
        for item in reversed(items):
            rest = [other for other in kept if other is not item]
            asked = self.plain.formula(item, negated=self.negated)
            if not self._share(asked, rest):
                continue
            formulas = [self.plain.formula(other, negated=self.negated) for other in rest]
            if self.plain.follows(asked, one_of(formulas)):
                kept = rest
                covers = (other for other, formula in zip(rest, formulas, strict=True) if self.plain.follows(asked, formula))
                related = tuple(Related("what covers it", span_of(other)) for other in covers)[:1]
                message = f"{_what(item, negated=self.negated)} adds nothing: another alternative holds wherever it does"
                self.findings.add("W610", message, span_of(item), help="leave it out", related=related)

    def always(self, condition: Condition, context: Formula, help: str) -> None:
        """Report a whole condition that holds of every event; a single test of presence says so on purpose."""
        if isinstance(condition, Test) and condition.operator in FLAGS:
            return
        if self.reasoner.follows(context, self.reasoner.formula(condition)):
            what = "every event" if context == ALWAYS else "every event that is counted"
            help = help or "if every event is meant, say so with `exists: true` of a field that all of them have"
            self.findings.add("W609", f"this holds of {what}", span_of(condition), help=help)


_CONTEXT_HELP: Final = "with what stands beside it no event can meet it: this never fires"


def _is_single(condition: Condition) -> bool:
    while isinstance(condition, Not):
        condition = condition.item
    return isinstance(condition, Test | Use)


def span_of(condition: Condition) -> Span:
    """Where a condition is written; of one without a place of its own, its first part's."""
    if condition.span != NOWHERE:
        return condition.span
    match condition:
        case Not(item):
            return span_of(item)
        case All(items) | AnyOf(items) if items:
            return span_of(items[0])
    return condition.span


def _place(condition: Condition, span: Span) -> Span:
    found = span_of(condition)
    return span if found == NOWHERE else found


def _what(condition: Condition, *, negated: bool) -> str:
    while isinstance(condition, Not):
        condition, negated = condition.item, not negated
    opposite = "the opposite of " if negated else ""
    match condition:
        case Test(path, operator):
            test = f"{operator}: {_operand(condition)}"
            return f"{opposite}`{path.text}: {{{test}}}`" if path.text else f"{opposite}`{test}`"
        case Use(name):
            return f"{opposite}`use: {name}`"
        case All():
            return f"{opposite}this `all`"
    return f"{opposite}this `any`"


def _said(test: Test) -> str:
    return f"{test.operator} {_operand(test)}"


def _operand(test: Test) -> str:
    match test.value:
        case tuple(values):
            return f"[{', '.join(shown(value) for value in values[:_MAX_SHOWN])}{', …' if len(values) > _MAX_SHOWN else ''}]"
        case FieldRef(path):
            return f"{{field: {path.text}}}"
        case ListRef(name):
            return f"{{list: {name}}}"
        case int() if test.operator in AGES:
            return as_duration(test.value)
        case str() | int() | float():
            return shown(test.value)
    return "…"
