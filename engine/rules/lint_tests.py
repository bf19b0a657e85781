"""The tests beside the rules: is each filter seen to match, and seen not to?

In: a ruleset without errors. Out: warnings. Rule of the file: tests are counted by what they expect, not run; running them is the runner's.
Expectations are counted once, whatever the number of filters.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.rules.diagnostics import Findings
from engine.rules.model import Allow, Block, Filter, Ruleset, SendTo
from engine.rules.uses import expectations_of, names_in


@dataclass(slots=True)
class _Seen:
    """How many expectations say something of a kind of name, and how many of them name which."""

    said: int = 0
    named: Counter[str] = field(default_factory=Counter)

    def add(self, value: object) -> None:
        """Count one expectation."""
        self.said += 1
        self.named.update(set(names_in(value)))

    def signs(self, name: str) -> Iterator[bool]:
        """True where the name is expected by one of them, False where one of them leaves it out."""
        if self.named[name]:
            yield True
        if self.named[name] < self.said:
            yield False


@dataclass(slots=True)
class _Expectations:
    """What all tests together expect."""

    matching: _Seen = field(default_factory=_Seen)
    whole: _Seen = field(default_factory=_Seen)
    not_matching: _Seen = field(default_factory=_Seen)
    marks: _Seen = field(default_factory=_Seen)
    routes: _Seen = field(default_factory=_Seen)
    accepted: bool = False

    def add(self, expected: Mapping[str, object]) -> None:
        """Count one `expect`. A list of filters is the whole list; a single name says nothing of the others."""
        filters = expected.get("filters")
        (self.whole if isinstance(filters, list) else self.matching).add(filters)
        self.matching.add(expected.get("filter"))
        self.not_matching.add(expected.get("not_filters"))
        if "marks" in expected:
            self.marks.add(expected["marks"])
        if "routes" in expected:
            self.routes.add(expected["routes"])
        self.accepted = self.accepted or expected.get("status") == "accepted"


def lint_tests(ruleset: Ruleset, findings: Findings) -> None:
    """Warn of filters without one test that expects a match and one that expects none."""
    expectations = _Expectations()
    for test in ruleset.tests:
        for expected in expectations_of(test):
            expectations.add(expected)
    for rule in ruleset.filters:
        if rule.mode == "off":
            continue
        seen = set(_signs(rule, expectations))
        missing = [
            what for sign, what in ((True, "a test that matches"), (False, "a test that does not match")) if sign not in seen
        ]
        if missing:
            help = f"expect `filters: [{rule.id}]` of one event and `not_filters: [{rule.id}]` of another"
            with findings.about(f"filters.{rule.id}"):
                findings.add("W801", f"`{rule.id}` lacks {' and '.join(missing)}", rule.span, help=help)


def _signs(rule: Filter, seen: _Expectations) -> Iterator[bool]:
    """True where an expectation means that the filter matched, False where one means that it did not."""
    yield from seen.whole.signs(rule.id)
    if seen.matching.named[rule.id]:
        yield True
    if seen.not_matching.named[rule.id]:
        yield False
    for action in rule.actions:
        match action:
            case Allow(mark=str(mark)):
                yield from seen.marks.signs(mark)
            case SendTo(to=route):
                yield from seen.routes.signs(route)
            case Block() if seen.accepted:
                yield False
