"""What makes a well-formed ruleset wrong as a whole: names that lead nowhere, circles, fields read too early.

In: a ruleset as written. Out: findings. Rule of the file: each check stands alone and takes a faulty ruleset as well; the checks of fields
against schemas are in `check_fields.py`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from engine.rules.check_fields import check_fields
from engine.rules.check_tests import check_tests
from engine.rules.check_types import check_types, wanted_names
from engine.rules.diagnostics import Findings, all_of, did_you_mean, shown
from engine.rules.event_fields import schema_properties
from engine.rules.model import Aggregation, Condition, Measure, Path, Ruleset, Test, Use
from engine.rules.nodes import ListNode
from engine.rules.parse_conditions import MAX_TESTS
from engine.rules.parse_operands import item_check
from engine.rules.parser import Written
from engine.rules.places import Span
from engine.rules.uses import conditions_of, derived_paths, leaves, lists_of, placed_values, routes_of

MAX_NAMED_DEPTH: Final = 16

_NOT_NUMBERS: Final = frozenset(("first", "last", "top", "custom", "ratio", "difference"))
_RESERVED_MEMBERS: Final = ("enrichment", "processing")


def check(written: Written, findings: Findings) -> None:
    """Add every fault of the whole."""
    ruleset = written.ruleset
    _check_routes(ruleset, written.declared, findings)
    _check_lists(written, findings)
    _check_named_conditions(written, findings)
    _check_measures(ruleset, written.declared, findings)
    if written.has_events:
        check_types(ruleset, findings)
        _check_event_types(ruleset, findings)
        _check_members(ruleset, findings)
        _check_stages(ruleset, findings)
        check_fields(ruleset, findings)
    _check_derived(ruleset, findings)
    check_tests(ruleset, written.declared, findings)


def _unknown(findings: Findings, what: str, name: str, known: Collection[str], span: Span, section: str) -> None:
    help = all_of(known) or f"declare it under `{section}:`"
    findings.add_unknown("E303", f"there is no {what} `{shown(name)}`", span, name, sorted(known), otherwise=help)


def _check_routes(ruleset: Ruleset, declared: Collection[str], findings: Findings) -> None:
    for name, rule_id, span in routes_of(ruleset):
        if name not in ruleset.routes and name not in declared:
            with findings.about(rule_id):
                _unknown(findings, "route", name, ruleset.routes, span, "routes")


def _check_lists(written: Written, findings: Findings) -> None:
    nodes = {entry.key: entry.value for entry in written.lists}
    uses = {}
    for owner in conditions_of(written.ruleset):
        for reference, operator in lists_of(owner.condition):
            if reference.name in nodes:
                uses[reference.name, item_check(operator)] = operator
                continue
            with findings.about(owner.rule_id):
                _unknown(findings, "list", reference.name, nodes, reference.span, "lists")
    for (name, check_item), operator in uses.items():
        node = nodes[name]
        with findings.about(f"lists.{name}"):
            for item in node.items if isinstance(node, ListNode) else ():
                check_item(operator, item, findings)


def _check_named_conditions(written: Written, findings: Findings) -> None:
    known = {entry.key for entry in written.conditions}
    conditions = written.ruleset.conditions
    for owner in conditions_of(written.ruleset):
        with findings.about(owner.rule_id):
            for leaf in leaves(owner.condition):
                if isinstance(leaf.item, Use) and leaf.item.name not in known:
                    _unknown(findings, "condition", leaf.item.name, known, leaf.item.span, "conditions")
                elif isinstance(leaf.item, Use) and leaf.negated:
                    _check_negated_use(leaf.item, conditions, findings)
    circular = _check_circles(conditions, findings)
    if not circular:
        _check_sizes(written.ruleset, findings)


def _check_negated_use(use: Use, conditions: Mapping[str, Condition], findings: Findings) -> None:
    named = conditions.get(use.name)
    tests = [leaf.item for leaf in leaves(named)] if named is not None else []
    if any(isinstance(test, Test) and test.if_missing for test in tests):
        help = "write the opposite as a named condition of its own"
        findings.add("E212", f"`{use.name}` has an `if_missing`, which `not` and `none` would turn around", use.span, help=help)


def _check_circles(conditions: Mapping[str, Condition], findings: Findings) -> bool:
    """Whether named conditions use each other in a circle; each circle is one finding."""
    uses = {
        name: [leaf.item for leaf in leaves(condition) if isinstance(leaf.item, Use)] for name, condition in conditions.items()
    }
    done: set[str] = set()
    found = False
    for start in conditions:
        trail: list[tuple[str, Iterator[Use]]] = [(start, iter(uses[start]))] if start not in done else []
        while trail:
            name, rest = trail[-1]
            use = next(rest, None)
            if use is None:
                done.add(name)
                trail.pop()
            elif use.name in (names := [step[0] for step in trail]):
                found = True
                circle = " → ".join([*names[names.index(use.name) :], use.name])
                with findings.about(f"conditions.{name}"):
                    findings.add(
                        "E304", f"named conditions in a circle: {circle}", use.span, help="let one of them say its tests itself"
                    )
            elif use.name in uses and use.name not in done:
                trail.append((use.name, iter(uses[use.name])))
    return found


def _check_sizes(ruleset: Ruleset, findings: Findings) -> None:
    """Named conditions may not make a rule larger or deeper than it could be written."""
    known: dict[str, tuple[int, int]] = {}
    waiting = dict(ruleset.conditions)
    while waiting:
        ready = {name: size for name, condition in waiting.items() if (size := _size(condition, known, waiting)) is not None}
        known.update(ready)
        waiting = {name: condition for name, condition in waiting.items() if name not in ready}
    for owner in conditions_of(ruleset):
        tests, depth = _size(owner.condition, known, {}) or (0, 0)
        span = getattr(owner.condition, "span", None)
        if span is not None and tests > MAX_TESTS and any(isinstance(leaf.item, Use) for leaf in leaves(owner.condition)):
            with findings.about(owner.rule_id):
                message = f"{tests:,} tests, those of named conditions included"
                findings.add("E503", message, span, help=f"at most {MAX_TESTS} are taken: use lists, or split the rule")
        elif span is not None and depth > MAX_NAMED_DEPTH:
            with findings.about(owner.rule_id):
                findings.add(
                    "E503", f"named conditions use each other {depth} deep", span, help=f"at most {MAX_NAMED_DEPTH} are taken"
                )


def _size(condition: Condition, known: Mapping[str, tuple[int, int]], waiting: Collection[str]) -> tuple[int, int] | None:
    """How many tests, and how deep named conditions stand in each other; None where one of them is still waiting."""
    tests, depth = 0, 0
    for leaf in leaves(condition):
        if isinstance(leaf.item, Test):
            tests += 1
        elif leaf.item.name in waiting:
            return None
        else:
            inner_tests, inner_depth = known.get(leaf.item.name, (0, 0))
            tests, depth = tests + inner_tests, max(depth, inner_depth + 1)
    return tests, depth


def _check_measures(ruleset: Ruleset, declared: Collection[str], findings: Findings) -> None:
    for aggregation in ruleset.aggregations.values():
        measures = {measure.name: measure for measure in aggregation.measures}
        with findings.about(f"aggregations.{aggregation.id}"):
            for measure in aggregation.measures:
                for name in measure.of or ():
                    if name in measures or f"{aggregation.id}.{name}" not in declared:
                        _check_operand(measure, name, measures, aggregation, findings)


def _check_operand(
    measure: Measure, name: str, measures: Mapping[str, Measure], aggregation: Aggregation, findings: Findings
) -> None:
    other = measures.get(name)
    if other is None:
        help = did_you_mean(name, measures.keys() - {measure.name})
        message = f"`{measure.name}` is computed from `{shown(name)}`, which `{aggregation.id}` does not measure"
        findings.add("E303", message, measure.span, help=help)
    elif other.kind in _NOT_NUMBERS:
        kind = other.plugin or other.kind
        help = "use measures that are plain numbers: count, sum, avg, min, max, distinct, quantile"
        findings.add("E305", f"`{measure.name}` cannot be computed from `{name}`, a `{kind}`", measure.span, help=help)


def _check_event_types(ruleset: Ruleset, findings: Findings) -> None:
    """Deduplication and tests of the type field may only name declared types, unless others pass."""
    if ruleset.events.unknown_types == "pass" or not ruleset.events.types:
        return
    misnamed = {
        name
        for event_type in ruleset.events.types.values()
        if event_type.name not in (names := wanted_names(event_type, ruleset.events.type))
        for name in names
    }  # said of the type itself, once
    for rule in ruleset.deduplication.values():
        if rule.event_type not in ruleset.events.types and rule.event_type not in misnamed:
            with findings.about(f"deduplication.{rule.event_type}"):
                _unknown(findings, "event type", rule.event_type, ruleset.events.types, rule.span, "events.types")
    for owner in conditions_of(ruleset):
        with findings.about(owner.rule_id):
            for leaf in leaves(owner.condition):
                if isinstance(leaf.item, Test) and not leaf.in_element and leaf.item.path.steps == ruleset.events.type.steps:
                    _check_type_test(leaf.item, frozenset((*ruleset.events.types, *misnamed)), ruleset, findings)


def _check_type_test(test: Test, known: frozenset[str], ruleset: Ruleset, findings: Findings) -> None:
    if test.operator not in {"eq", "ne", "in", "not_in"} or test.ignore_case:
        return
    for value, span in placed_values(test):
        several = re.split(r"\s*[|,;/]\s*|\s+or\s+", value) if isinstance(value, str) else []
        if len(several) > 1 and known >= set(several) and test.operator == "eq":
            fix = f"{{in: [{', '.join(several)}]}}" if test.span == test.path.span else ""
            findings.add("E303", f"there is no event type `{shown(value)}`", span, help="for several write `in: […]`", fix=fix)
        elif isinstance(value, str) and value not in known:
            _unknown(findings, "event type", value, ruleset.events.types, span, "events.types")


def _check_members(ruleset: Ruleset, findings: Findings) -> None:
    for event_type in ruleset.events.types.values():
        members = schema_properties(event_type.schema or {})
        for name in _RESERVED_MEMBERS:
            if name in members:
                help = "events that bring it are rejected: rename the member"
                with findings.about("events"):
                    findings.add(
                        "E307",
                        f"`{event_type.schema_file}` declares `{name}`, which the engine writes itself",
                        event_type.span,
                        help=help,
                    )


def _check_stages(ruleset: Ruleset, findings: Findings) -> None:
    """What is read before enrichment must stand in the event itself."""
    events = ruleset.events
    early: list[tuple[str, str, Path]] = [("events", "the type", events.type), ("events", "the time", events.time)]
    early += [("events", "the key", events.key)] if events.key else []
    for rule in ruleset.deduplication.values():
        early += [(f"deduplication.{rule.event_type}", "a deduplication key", path) for path in rule.key]
    for source in ruleset.enrichment.sources.values():
        early.append((f"enrichment.sources.{source.name}", "the key of a lookup", source.lookup))
    for rule_id, what, path in early:
        first = path.steps[0] if path.steps else ""
        if not path.own and (first == "derived" or first in ruleset.enrichment.sources):
            with findings.about(rule_id):
                help = f"name a member of the event itself; where it has one called `{first}`, write `$.{path.text}`"
                findings.add("E308", f"{what} is read before enrichment, `{path.text}` comes from it", path.span, help=help)


def _check_derived(ruleset: Ruleset, findings: Findings) -> None:
    """A derived field may use those before it."""
    ready: list[str] = []
    for derived in ruleset.enrichment.derived.values():
        for path in derived_paths(derived):
            name = str(path.steps[1]) if len(path.steps) > 1 and path.steps[0] == "derived" and not path.own else ""
            if name in ruleset.enrichment.derived and name not in ready:
                with findings.about(f"enrichment.derived.{derived.name}"):
                    help = (
                        f"move `{name}` above `{derived.name}`"
                        if name != derived.name
                        else "a field cannot be computed from itself"
                    )
                    findings.add("E308", f"`derived.{name}` is not computed yet", path.span, help=help)
        ready.append(derived.name)
