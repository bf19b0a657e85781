"""Names in rule tests: filters, aggregations, measures, routes and sources.

In: a ruleset. Out: findings. Rule of the file: a test that names nothing would pass for the wrong reason.
"""

from collections.abc import Collection, Mapping

from engine.rules.diagnostics import Findings, did_you_mean, shown
from engine.rules.model import Ruleset, RuleTest
from engine.rules.uses import expectations_of, names_in


def check_tests(ruleset: Ruleset, declared: Collection[str], findings: Findings) -> None:
    """Check the names that tests use; those in `declared` are known, though a fault may keep them from the ruleset."""
    filters = dict.fromkeys(rule.id for rule in ruleset.filters)
    for test in ruleset.tests:
        with findings.about(f"tests.{shown(test.name)}"):
            for name in _sources(test):
                if name not in declared:
                    _known(name, "source", ruleset.enrichment.sources, test, findings)
            for expected in expectations_of(test):
                _check_expectation(expected, test, ruleset, filters, declared, findings)


def _check_expectation(
    expected: Mapping[str, object],
    test: RuleTest,
    ruleset: Ruleset,
    filters: Collection[str],
    declared: Collection[str],
    findings: Findings,
) -> None:
    for key, what, known in (
        ("filter", "filter", filters),
        ("filters", "filter", filters),
        ("not_filters", "filter", filters),
        ("routes", "route", ruleset.routes),
        ("aggregation", "aggregation", ruleset.aggregations),
    ):
        for name in names_in(expected.get(key)):
            if name in declared:
                continue
            _known(name, what, known, test, findings)
    aggregation = ruleset.aggregations.get(str(expected.get("aggregation")))
    if aggregation and aggregation.emit is None and "revision" in expected:
        message = f"the test names a `revision` of `{aggregation.id}`, which publishes no windows"
        findings.add("E214", message, test.span, help="leave `revision` out, or add `emit: {to: ROUTE}` to the aggregation")
    values = expected.get("values")
    if aggregation and isinstance(values, Mapping):
        for name in values:
            if f"{aggregation.id}.{name}" not in declared:
                _known(str(name), "measure", [measure.name for measure in aggregation.measures], test, findings)


def _sources(test: RuleTest) -> list[str]:
    steps = test.body.get("steps")
    faults = [step.get("source") for step in (steps if isinstance(steps, list) else ()) if isinstance(step, Mapping)]
    named = [test.body.get("given"), *faults]
    return [str(name) for part in named if isinstance(part, Mapping) for name in part]


def _known(name: str, what: str, known: Collection[str], test: RuleTest, findings: Findings) -> None:
    if name not in known:
        message = f"the test names the {what} `{shown(name)}`, which is not declared"
        findings.add("E303", message, test.span, help=did_you_mean(name, known))
