"""The tests beside the rules: is each filter seen to match, and seen not to?

In: a ruleset without errors. Out: warnings. Rule of the file: tests are counted by what they expect, not run; running them is the runner's.
"""

from collections.abc import Iterator, Mapping

from engine.rules.diagnostics import Findings
from engine.rules.model import Allow, Block, Filter, Ruleset, SendTo
from engine.rules.uses import expectations_of, names_in


def lint_tests(ruleset: Ruleset, findings: Findings) -> None:
    """Warn of filters without one test that expects a match and one that expects none."""
    expectations = [expected for test in ruleset.tests for expected in expectations_of(test)]
    for rule in ruleset.filters:
        if rule.mode == "off":
            continue
        seen = {sign for expected in expectations for sign in _signs(rule, expected)}
        missing = [
            what for sign, what in ((True, "a test that matches"), (False, "a test that does not match")) if sign not in seen
        ]
        if missing:
            help = f"expect `filters: [{rule.id}]` of one event and `not_filters: [{rule.id}]` of another"
            with findings.about(f"filters.{rule.id}"):
                findings.add("W801", f"`{rule.id}` lacks {' and '.join(missing)}", rule.span, help=help)


def _signs(rule: Filter, expected: Mapping[str, object]) -> Iterator[bool]:
    """True where the expectation means that the filter matched, False where that it did not."""
    for key, sign in (("filter", True), ("filters", True), ("not_filters", False)):
        if rule.id in names_in(expected.get(key)):
            yield sign
        elif key == "filters" and isinstance(expected.get(key), list):
            yield False
    for action in rule.actions:
        match action:
            case Allow(mark=str(mark)) if "marks" in expected:
                yield mark in names_in(expected["marks"])
            case SendTo(to=route) if "routes" in expected:
                yield route in names_in(expected["routes"])
            case Block() if expected.get("status") == "accepted":
                yield False
