"""Fields against what is known of events: does the field exist, can it hold such a value, has its type such an operator.

In: a ruleset. Out: findings. Rule of the file: an error is only reported where no event can make it right; a field that merely looks misspelt
is a warning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.rules.check_ages import check_age, check_time
from engine.rules.diagnostics import Edit, Findings, all_of, closest, shown
from engine.rules.event_fields import EventFields, Fact, Root, element_root, follow, type_words
from engine.rules.model import All, AnyOf, Condition, FieldRef, Not, Path, Ruleset, Scalar, Test, Use
from engine.rules.parse_operands import AGES, FLAGS, OPERATORS, ORDER, TEXT, TEXT_LISTS
from engine.rules.places import Span
from engine.rules.uses import conditions_of, derived_paths, leaves, placed_values, read_by, transforms_of

_SCALARS: Final = frozenset(("string", "number", "boolean"))
_TYPE_OF: Final = {str: "string", bool: "boolean", int: "number", float: "number"}
_FITTING: Final = {
    **dict.fromkeys(("eq", "ne", "in", "not_in"), _SCALARS),
    **dict.fromkeys((*ORDER, "between"), frozenset(("number", "string"))),
    **dict.fromkeys((*TEXT, *TEXT_LISTS, "matches", "matches_any", "in_cidr"), frozenset(("string",))),
    **dict.fromkeys(("has", "has_any", "has_all", "size", "some", "every"), frozenset(("array",))),
    **dict.fromkeys(AGES, frozenset(("string", "number"))),
}
_SIGNS: Final = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "!=": "ne"}
_COMPARISON: Final = re.compile(r"(<=?|>=?|!=|lte?|gte?) *(-?[0-9]+(?:\.[0-9]+)?)")
_THE_EVENT: Final = frozenset(("event", "evt", "record", "message", "msg"))
"""What other systems call the event, in front of its members."""
_MAX_OTHER_TYPES: Final = 10
_NUMBER_MEASURES: Final = frozenset(("sum", "avg", "min", "max", "quantile"))


def check_fields(ruleset: Ruleset, findings: Findings) -> None:
    """Check every field that the ruleset reads."""
    fields = EventFields(ruleset)
    element_only = _element_only(ruleset)
    for owner in conditions_of(ruleset):
        if owner.rule_id not in element_only:
            with findings.about(owner.rule_id):
                # One that asks for a type itself is measured by that: what cannot be is a warning of the lints.
                own = _types_asked_for(owner.condition, ruleset)
                types = _types_asked_for(owner.within, ruleset) if own is None else None
                _Walk(ruleset, fields, findings).condition(owner.condition, types, None)
    for read in _other_reads(ruleset):
        with findings.about(read.rule_id):
            facts = fields.facts(read.path, read.types)
            described = check_path(read.path, facts, fields.known_names, findings, having_it(read.path, read.types, fields))
            if read.numeric:
                _check_numeric(read, described, findings)
            elif read.is_time:
                check_time(read.path, facts, findings)
            elif read.is_identity and (kinds := _types(described)) and kinds <= {"object", "array", "boolean"}:
                message = f"`{read.path.text}` is {type_words(kinds)}, text or a whole number is needed here"
                findings.add("E403", message, read.path.span, help="name a member that is another one for each event")
            elif read.is_key and (kinds := _types(described)) and kinds <= {"object", "array"}:
                help = f"name one of its members: `{read.path.text}.name`"
                findings.add(
                    "E403", f"`{read.path.text}` is {type_words(kinds)}, one value is needed here", read.path.span, help=help
                )


def _element_only(ruleset: Ruleset) -> frozenset[str]:
    """Named conditions that are only used inside elements: their paths start there, not at the event."""
    inside: set[str] = set()
    outside: set[str] = set()
    for owner in conditions_of(ruleset):
        for leaf in leaves(owner.condition):
            if isinstance(leaf.item, Use):
                (inside if leaf.in_element else outside).add(f"conditions.{leaf.item.name}")
    return frozenset(inside - outside)


@dataclass(frozen=True, slots=True)
class _Read:
    """A field that is read outside of a condition: by which rule, of events of which types, and whether only a number, a time, one value, or text or a whole number is of use."""

    rule_id: str
    path: Path
    types: frozenset[str] | None = None
    numeric: bool = False
    is_time: bool = False
    is_key: bool = False
    is_identity: bool = False


def _other_reads(ruleset: Ruleset) -> Iterator[_Read]:
    events = ruleset.events
    yield from (_Read("events", path) for path in (events.type, events.time, events.key) if path)
    for rule in ruleset.deduplication.values():
        types = frozenset((rule.event_type,)) if rule.event_type in events.types else None
        yield from (_Read(f"deduplication.{rule.event_type}", path, types, is_identity=True) for path in rule.key)
    for source in ruleset.enrichment.sources.values():
        if source.lookup.steps:
            yield _Read(f"enrichment.sources.{source.name}", source.lookup)
    for derived in ruleset.enrichment.derived.values():
        numeric = derived.kind in {"bucket", "difference", "ratio"}
        for path in derived_paths(derived):
            is_time = derived.kind in {"hour", "part_of_day"} and path is derived.args[0]
            yield _Read(f"enrichment.derived.{derived.name}", path, None, numeric, is_time)
    for aggregation in ruleset.aggregations.values():
        rule_id, types = f"aggregations.{aggregation.id}", _types_asked_for(aggregation.when, ruleset)
        yield from (_Read(rule_id, path, types, is_key=True) for _, path in aggregation.key)
        yield from (_Read(rule_id, m.field, types, m.kind in _NUMBER_MEASURES) for m in aggregation.measures if m.field)
    for each in ruleset.filters:
        if each.rollout is not None:
            yield _Read(f"filters.{each.id}", each.rollout.by, _types_asked_for(each.when, ruleset))
    for rule_id, transform in transforms_of(ruleset):
        yield from (_Read(rule_id, path) for path in read_by(transform))


def _types_asked_for(condition: Condition | None, ruleset: Ruleset) -> frozenset[str] | None:
    if condition is None:
        return None
    return narrow(condition.items if isinstance(condition, All) else (condition,), None, ruleset)


def having_it(path: Path, types: frozenset[str] | None, fields: EventFields) -> str:
    """Help for a field that events of these types do not have, and events of others do; empty where none have it."""
    others = () if types is None else sorted(fields.types_declaring(path) - types)[:_MAX_OTHER_TYPES]
    having = [name for name in others if any(fact.status == "declared" for fact in fields.facts(path, frozenset((name,))))]
    if not having:
        return ""
    names = " and ".join(f"`{name}`" for name in having[:3])
    return f"only {names} has it, which cannot get here" if len(having) == 1 else f"{names} have it, which cannot get here"


def check_path(path: Path, facts: Sequence[Fact], known: Sequence[str], findings: Findings, elsewhere: str = "") -> list[Fact]:
    """Report a field that never occurs, or looks misspelt. Returns the facts that describe it, or none where some do not.

    `elsewhere` names the event types that have the field, where those that are meant here do not.
    """
    if facts and all(fact.status == "impossible" for fact in facts):
        fact = next((fact for fact in facts if fact.names), facts[0])
        _add_unknown_field(
            path,
            fact.names or (() if len(path.steps) > 1 else tuple(known)),
            elsewhere or _own_member(path, known),
            fact.reason,
            findings,
        )
        return []
    if facts and all(fact.status in {"undeclared", "impossible"} for fact in facts):
        if elsewhere:
            findings.add("W624", f"`{path.text}` is no field of the events that get here", path.span, help=elsewhere)
            return []
        names = [name for fact in facts for name in fact.names]
        names += [] if len(path.steps) > 1 and path.steps[0] in known else known
        near = _misspelt(path, names, known)
        if near:
            findings.add("W606", f"no schema declares `{path.text}`", path.span, help=near)
    described = [fact for fact in facts if fact.status == "declared"]
    return described if all(fact.status in {"declared", "impossible"} for fact in facts) else []


def _own_member(path: Path, known: Sequence[str]) -> str:
    """Help for a path that looks for a member of the event in a source."""
    own = path.text.partition(".")[2]
    return f"`{own}` is the event's own: write `{own}`" if own in known else ""


def _add_unknown_field(path: Path, names: Sequence[str], help: str, reason: str, findings: Findings) -> None:
    message = f"unknown field `{path.text}`"
    step = next((step for step in reversed(path.steps) if isinstance(step, str)), "")
    prefix, found, rest = path.text.rpartition(step)
    if help or not found or rest:
        findings.add("E302", message, path.span, help=help or _misspelt(path, names, ()) or reason)
        return
    findings.add_unknown("E302", message, path.span, step, names, otherwise=all_of(names) or reason, prefix=prefix)


def _misspelt(path: Path, names: Sequence[str], known: Sequence[str]) -> str:
    """Help with the path that was likely meant, or empty. `known` are the names that an event's paths begin with."""
    name, glued, operator = path.text.rpartition("__")
    if glued and operator in OPERATORS:
        return f"an operator stands in a map: `{name}: {{{operator}: …}}`"
    if len(path.steps) > 1 and path.steps[0] in _THE_EVENT and path.steps[1] in known:
        return f"a path starts in the event: `{path.text.partition('.')[2]}`"
    for at, step in enumerate(path.steps):
        near = closest(step, names) if isinstance(step, str) and step not in names else None
        if near is not None:
            parts = [*path.steps[:at], near, *path.steps[at + 1 :]]
            text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
            return f"did you mean `{'$.' if path.own else ''}{text}`?"
    return ""


def _check_numeric(read: _Read, facts: Sequence[Fact], findings: Findings) -> None:
    path = read.path
    types = _types(facts)
    if types is not None and "number" not in types:
        help = "of text there are `distinct`, `first`, `last` and `top`; `count` counts events"
        help = help if types == {"string"} and read.rule_id.startswith("aggregations.") else ""
        findings.add("E403", f"`{path.text}` is {type_words(types)}, a number is needed here", path.span, help=help)


def _types(facts: Sequence[Fact]) -> frozenset[str] | None:
    """All types that the field can have besides null; None where that is not known."""
    known = [fact.types for fact in facts if fact.types is not None]
    return frozenset().union(*known) - {"null"} if facts and len(known) == len(facts) else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through one condition, knowing which event types can get where."""

    ruleset: Ruleset
    fields: EventFields
    findings: Findings

    def condition(self, condition: Condition, types: frozenset[str] | None, element: "tuple[Root | None, ...] | None") -> None:
        """Check a condition for events of these types, or inside an element of an array."""
        match condition:
            case All(items):
                narrowed = types if element is not None else narrow(items, types, self.ruleset)
                for item in items:
                    self.condition(item, narrowed, element)
            case AnyOf(items):
                for item in items:
                    self.condition(item, types, element)
            case Not(item):
                self.condition(item, types, element)
            case Test():
                self._test(condition, types, element)

    def _facts(self, path: Path, types: frozenset[str] | None, element: "tuple[Root | None, ...] | None") -> list[Fact]:
        if element is None:
            return self.fields.facts(path, types)
        return [Fact("open") if root is None else follow(root, path.steps) for root in element]

    def _test(self, test: Test, types: frozenset[str] | None, element: "tuple[Root | None, ...] | None") -> None:
        known = self.fields.known_names if element is None else ()
        facts = self._facts(test.path, types, element)
        elsewhere = "" if element is not None or _expects_none(test, facts) else having_it(test.path, types, self.fields)
        if self._is_type_field(test, facts):
            help = f"did you mean `{self.ruleset.events.type.text}`?"
            self.findings.add("W606", f"no schema declares `{test.path.text}`", test.path.span, help=help)
            return
        facts = check_path(test.path, facts, known, self.findings, elsewhere)
        if isinstance(test.value, FieldRef):
            check_path(test.value.path, self._facts(test.value.path, types, element), known, self.findings)
        if facts and test.operator not in FLAGS:
            self._value(test, facts)
        if isinstance(test.value, Condition) and test.operator != "size":
            inner = tuple(element_root(fact) for fact in facts) or (None,)
            self.condition(test.value, None, inner)

    def _is_type_field(self, test: Test, facts: Sequence[Fact]) -> bool:
        """Whether a field that no schema declares is compared with nothing but event types: `type: attempt`."""
        values = [value for value, _ in placed_values(test)]
        return (
            bool(values and facts)
            and test.operator in {"eq", "in"}
            and len(self.fields.type_names) > 1
            and all(fact.status in {"undeclared", "impossible"} for fact in facts)
            and self.fields.type_names.issuperset(str(value) for value in values)
        )

    def _value(self, test: Test, facts: Sequence[Fact]) -> None:
        types = _types(facts)
        if types is not None and not types & _FITTING[test.operator]:
            message = f"`{test.operator}` cannot test `{test.path.text}`, which is {type_words(types)}"
            self.findings.add("E403", message, test.span, help=_other_operator(test, types))
            return
        if test.operator in AGES:
            check_age(test, facts, self.findings)
        for value, span in placed_values(test):
            if types is not None:
                self._type(test, value, span, types)
            self._known_value(test, value, span, facts)

    def _type(self, test: Test, value: Scalar, span: Span, types: frozenset[str]) -> None:
        wanted = _wanted_types(test, value)
        if types & wanted or (test.operator in {"has", "has_any", "has_all"}):
            return
        what = f"text `{shown(value)}`" if isinstance(value, str) else f"`{shown(value)}`"
        message = f"`{test.path.text}` is {type_words(types)}, never {what}"
        help, fix = _conversion(value, types)
        if test.operator in {*ORDER, "between"} and types == {"string"}:
            help, fix = "of texts only times have an order: compare with `eq`, `in` or `starts_with`", ""
        edits = (Edit(span, fix),) if fix else ()
        self.findings.add("E401", message, span, help=help, edits=edits)

    def _known_value(self, test: Test, value: Scalar, span: Span, facts: Sequence[Fact]) -> None:
        if test.operator not in {"eq", "ne", "in", "not_in"} or test.ignore_case or any(fact.values is None for fact in facts):
            return
        if test.path.steps == self.ruleset.events.type.steps and value not in self.ruleset.events.types:
            return  # a type that is not declared was reported as that
        known = [item for fact in facts for item in fact.values or ()]
        if not any(type(value) is type(item) and value == item for item in known) and _TYPE_OF[type(value)] in (
            _types(facts) or _SCALARS
        ):
            names = [item for item in known if isinstance(item, str)]
            help = "it is one of " + ", ".join(f"`{shown(item)}`" for item in known[:12]) + (" …" if len(known) > 12 else "")
            message = f"`{test.path.text}` is never `{shown(value)}`"
            self.findings.add_unknown("E402", message, span, str(value), names, otherwise=help)


def _expects_none(test: Test, facts: Sequence[Fact]) -> bool:
    """Whether the test says what becomes of events without the field, which schemas let have it."""
    says = test.operator in FLAGS or test.if_missing is not None
    return says and any(fact.status == "undeclared" for fact in facts)


def narrow(items: Sequence[Condition], types: frozenset[str] | None, ruleset: Ruleset) -> frozenset[str] | None:
    """The event types for which all of the items can hold, as far as they test the type itself."""
    for item in items:
        if (
            isinstance(item, Test)
            and item.operator in {"eq", "in"}
            and item.path.steps == ruleset.events.type.steps
            and not item.ignore_case
        ):
            values = item.value if isinstance(item.value, tuple) else (item.value,)
            named = frozenset(value for value in values if isinstance(value, str) and value in ruleset.events.types)
            if all(isinstance(value, str) for value in values) and named:
                types = named if types is None else types & named
    return types


def _wanted_types(test: Test, value: Scalar) -> frozenset[str]:
    if test.operator in {*ORDER, "between"} and isinstance(value, str):
        return frozenset(("string",))
    return frozenset((_TYPE_OF[type(value)],))


def _conversion(value: Scalar, types: frozenset[str]) -> tuple[str, str]:
    """What to do about a value of the wrong type, and what to write in its place where that is sure."""
    if isinstance(value, str) and "number" in types and value.replace(".", "", 1).removeprefix("-").isdigit():
        return f"without quotes it is a number: `{value}`", value
    if isinstance(value, str) and "number" in types and (said := _COMPARISON.fullmatch(value)):
        fix = f"{{{_SIGNS.get(said[1], said[1])}: {said[2]}}}"
        return f"a comparison is a map: `{fix}`", fix
    if isinstance(value, str) and types == {"boolean"}:
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), value.lower())
        if word in {"true", "false"}:
            return f"write `{word}`, without quotes", word
        return "write `true` or `false`, without quotes", ""
    if not isinstance(value, str) and "string" in types:
        return f"in quotes it is text: `'{shown(value)}'`", f"'{shown(value)}'"
    if types == {"number"}:
        return "write a number, or compare with `lt`, `gte`, `between`", ""
    return ("write `true` or `false`", "") if types == {"boolean"} else ("", "")


def _other_operator(test: Test, types: frozenset[str]) -> str:
    if types == {"array"}:
        other = {"eq": "has", "in": "has_any", "contains": "has", "contains_any": "has_any", "contains_all": "has_all"}.get(
            test.operator, "some"
        )
        return f"for the elements of a list write `{other}`"
    if types == {"object"}:
        return f"name one of its members: `{test.path.text}.name`"
    if types == {"string"}:
        for_text = {"has": "contains", "has_any": "contains_any", "has_all": "contains_all"}.get(test.operator)
        return f"for text write `{for_text}`" if for_text else ""
    if types == {"boolean"}:
        return f"write `{test.path.text}: true`"
    return "compare it as a number: `lt`, `gte`, `between`" if types == {"number"} else ""
