"""Names in rule tests: filters, aggregations, measures, routes, sources and fields.

In: a ruleset. Out: findings. Rule of the file: a test that names nothing would pass for the wrong reason.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from engine.rules.diagnostics import Edit, Findings, Related, as_written, closest, is_sure, shown
from engine.rules.event_fields import EventFields
from engine.rules.model import Path, Ruleset
from engine.rules.places import Mention, Span

_Declared = Mapping[str, Span]
"""Names of a kind, and where they are declared."""


def check_tests(ruleset: Ruleset, declared: Collection[str], findings: Findings) -> None:
    """Check the names that tests use; those in `declared` are known, though a fault may keep them from the ruleset."""
    known: dict[str, _Declared] = {
        "filter": {rule.id: rule.span for rule in ruleset.filters},
        "route": {route.name: route.span for route in ruleset.routes.values()},
        "aggregation": {rule.id: rule.span for rule in ruleset.aggregations.values()},
        "source": {source.name: source.span for source in ruleset.enrichment.sources.values()},
    }
    fields = EventFields(ruleset)
    named = Counter((mention.what, mention.of, mention.name) for test in ruleset.tests for mention in test.mentions)
    for test in ruleset.tests:
        with findings.about(f"tests.{shown(test.name)}"):
            for mention in test.mentions:
                if mention.what == "member":
                    _check_member(mention, fields, findings)
                elif mention.what == "field":
                    source = ruleset.enrichment.sources.get(mention.of)
                    taken = source.fields if source else ()
                    _check_spelling(mention, taken, f"`{mention.of}` does not take over", findings)
                elif mention.what not in known:
                    _check_of_aggregation(mention, ruleset, declared, named, findings)
                elif mention.name not in declared:
                    _known(mention, known[mention.what], named, findings)


def _check_member(mention: Mention, fields: EventFields, findings: Findings) -> None:
    """A member of an event that no schema declares; where some schema leaves it open, nothing is known."""
    facts = fields.facts(Path(mention.name, (mention.name,), own=True), None)
    if facts and all(fact.status in {"undeclared", "impossible"} for fact in facts):
        names = dict.fromkeys(name for fact in facts for name in fact.names)
        _check_spelling(mention, names, "no schema declares", findings)


def _check_spelling(mention: Mention, known: Collection[str], fault: str, findings: Findings) -> None:
    """A field of another name is nothing wrong, unless it can only be a slip: the test would show what happens without the field."""
    if mention.name in known:
        return
    near = closest(mention.name, known)
    if near is not None and is_sure(mention.name, near, known):
        message = f"{fault} `{shown(mention.name)}`"
        edits = (Edit(mention.span, as_written(near)),)
        findings.add("W606", message, mention.span, help=f"did you mean `{near}`?", edits=edits)


def _check_of_aggregation(
    mention: Mention, ruleset: Ruleset, declared: Collection[str], named: Counter[tuple[str, str, str]], findings: Findings
) -> None:
    """A measure or a revision; where the aggregation itself is unknown, that is told instead."""
    aggregation = ruleset.aggregations.get(mention.of)
    if aggregation is None:
        return
    if mention.what == "measure":
        if f"{aggregation.id}.{mention.name}" not in declared:
            _known(mention, {measure.name: measure.span for measure in aggregation.measures}, named, findings)
    elif aggregation.emit is None:
        message = f"the test names a `revision` of `{aggregation.id}`, which publishes no windows"
        findings.add("E214", message, mention.span, help="leave `revision` out, or add `emit: {to: ROUTE}` to the aggregation")


def _known(mention: Mention, known: _Declared, named: Counter[tuple[str, str, str]], findings: Findings) -> None:
    if mention.name in known:
        return
    message = f"the test names the {mention.what} `{shown(mention.name)}`, which is not declared"
    near = closest(mention.name, known)
    if near and named[mention.what, mention.of, mention.name] > 1 and not named[mention.what, mention.of, near]:
        help = f"did you mean `{near}`? No test names that: it may be what is misspelt"
        findings.add("E303", message, mention.span, help=help, related=(Related("declared here", known[near]),))
        return
    none = "" if known else f"the rules declare no {mention.what}s"
    findings.add_unknown("E303", message, mention.span, mention.name, known, otherwise=none)
