"""Warnings that are never wrong: rules that run, but not as their author means.

In: a ruleset without errors. Out: findings. Rule of the file: a lint that could be mistaken stays silent. What is about one thing stands in a
file of its own, `lint_….py`; those that reason share one reasoner, so that a condition is only taken apart once.
"""

from engine.rules.diagnostics import Findings
from engine.rules.event_fields import schema_properties
from engine.rules.lint_aggregations import lint_aggregations
from engine.rules.lint_conditions import lint_conditions
from engine.rules.lint_costs import lint_costs
from engine.rules.lint_filters import lint_filters
from engine.rules.lint_logic import lint_logic, make_reasoners
from engine.rules.lint_names import lint_names
from engine.rules.lint_patterns import lint_patterns
from engine.rules.lint_tests import lint_tests
from engine.rules.lint_transforms import lint_transforms
from engine.rules.model import Ruleset, Test, Use
from engine.rules.parser import Written
from engine.rules.uses import conditions_of, leaves, lists_of, routes_of


def lint(written: Written, findings: Findings) -> None:
    """Add every warning."""
    ruleset = written.ruleset
    _lint_unused(written, findings)
    lint_conditions(ruleset, findings)
    lint_names(written, findings)
    lint_patterns(written, findings)
    reasoners = make_reasoners(ruleset)
    lint_logic(ruleset, reasoners, findings)
    lint_filters(ruleset, reasoners.of_events, findings)
    lint_transforms(ruleset, reasoners.of_events, findings)
    lint_aggregations(ruleset, reasoners.of_events, findings)
    lint_costs(ruleset, findings)
    _lint_hidden_members(ruleset, findings)
    if written.has_tests:
        lint_tests(ruleset, findings)


def _lint_unused(written: Written, findings: Findings) -> None:
    owners = list(conditions_of(written.ruleset))
    lists = {reference.name for owner in owners for reference, _ in lists_of(owner.condition)}
    conditions = {leaf.item.name for owner in owners for leaf in leaves(owner.condition) if isinstance(leaf.item, Use)}
    routes = {name for name, _, _ in routes_of(written.ruleset)}
    unused = [("list", entry.key, entry.key_span) for entry in written.lists if entry.key not in lists]
    unused += [("condition", entry.key, entry.key_span) for entry in written.conditions if entry.key not in conditions]
    unused += [("route", route.name, route.span) for route in written.ruleset.routes.values() if route.name not in routes]
    for what, name, span in unused:
        with findings.about(f"{what}s.{name}"):
            findings.add("W601", f"nothing uses the {what} `{name}`", span, help="use it or remove it")


def _own_members(ruleset: Ruleset) -> frozenset[str | int]:
    """The members that some rule reads as the event's own, `$.user`: whoever wrote that knows of both."""
    paths = [source.lookup for source in ruleset.enrichment.sources.values()]
    paths += [path for rule in ruleset.deduplication.values() for path in rule.key]
    tests = [leaf.item for owner in conditions_of(ruleset) for leaf in leaves(owner.condition) if isinstance(leaf.item, Test)]
    paths += [test.path for test in tests]
    return frozenset(path.steps[0] for path in paths if path.own)


def _lint_hidden_members(ruleset: Ruleset, findings: Findings) -> None:
    known = _own_members(ruleset)
    names = [name for name in (*ruleset.enrichment.sources, "derived") if name not in known]
    for event_type in ruleset.events.types.values():
        members = schema_properties(event_type.schema or {})
        for name in names:
            if name in members:
                help = f"`{name}.…` is what enrichment found; the event's own member is `$.{name}`"
                with findings.about("events"):
                    findings.add(
                        "W607",
                        f"events of type `{event_type.name}` have a member `{name}` of their own",
                        event_type.span,
                        help=help,
                    )
