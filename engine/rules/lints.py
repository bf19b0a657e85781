"""Warnings that are never wrong: rules that run, but not as their author means.

In: a ruleset without errors. Out: findings. Rule of the file: a lint that could be mistaken stays silent. Those that look into a condition are
in `lint_conditions.py`, those about tests in `lint_tests.py`.
"""

from engine.rules.diagnostics import Findings, Related
from engine.rules.event_fields import schema_properties
from engine.rules.lint_conditions import lint_conditions
from engine.rules.lint_tests import lint_tests
from engine.rules.model import All, Block, Filter, Ruleset, Transform, Use
from engine.rules.parser import Written
from engine.rules.uses import conditions_of, leaves, lists_of, meaning, routes_of


def lint(written: Written, findings: Findings) -> None:
    """Add every warning."""
    ruleset = written.ruleset
    _lint_unused(written, findings)
    lint_conditions(ruleset, findings)
    _lint_unreachable(ruleset, findings)
    _lint_actions(ruleset, findings)
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


def _lint_unreachable(ruleset: Ruleset, findings: Findings) -> None:
    """A filter whose events an earlier one always blocks; and one that repeats another."""
    blocks: list[tuple[frozenset[object], Filter]] = []
    seen: dict[object, Filter] = {}
    for rule in ruleset.filters:
        if rule.mode == "off":
            continue
        parts = frozenset(meaning(part) for part in (rule.when.items if isinstance(rule.when, All) else (rule.when,)))
        blocking = next((other for needed, other in blocks if needed <= parts), None)
        twin = seen.setdefault((parts, meaning(rule.actions), rule.mode), rule)
        with findings.about(f"filters.{rule.id}"):
            if blocking:
                related = (Related(f"`{blocking.id}` blocks them", blocking.span),)
                help = f"move it before `{blocking.id}`, or set `order`"
                findings.add("W604", f"no event reaches `{rule.id}`", rule.span, help=help, related=related)
            elif twin is not rule:
                related = (Related("the other one", twin.span),)
                findings.add(
                    "W608", f"`{rule.id}` does the same as `{twin.id}`", rule.span, help="keep one of them", related=related
                )
        if any(isinstance(action, Transform) for action in rule.actions):
            blocks.clear()
            seen.clear()
        if rule.mode == "enforce" and any(isinstance(action, Block) for action in rule.actions):
            blocks.append((parts, rule))


def _lint_actions(ruleset: Ruleset, findings: Findings) -> None:
    for rule in ruleset.filters:
        kinds = [isinstance(action, Block) for action in rule.actions]
        if True in kinds[:-1]:
            with findings.about(f"filters.{rule.id}"):
                findings.add(
                    "W605",
                    f"`{rule.id}` has actions after its `block`",
                    rule.span,
                    help="a block ends the event: put it last, alone",
                )


def _lint_hidden_members(ruleset: Ruleset, findings: Findings) -> None:
    names = [*ruleset.enrichment.sources, "derived"]
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
