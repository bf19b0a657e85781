"""Times that are none: `within`, `older_than`, the hour and the part of the day of a number that is a duration or a count.

In: a test of age or a field read as a time, and what is known of the field. Out: a finding where the schema lets in no number that is a time. Rule of the file: the bound of
the schema decides, never the name; the name only says the unit that the number is mended to.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from engine.rules.diagnostics import Edit, Findings
from engine.rules.event_fields import Fact, type_words
from engine.rules.model import Path, Test

_EARLIEST_TIME_MS: Final = 100_000_000_000
"""1973-03-03: what is less was not written by a clock, and is no time of an event that is told to be of today."""

_UNITS_MS: Final = {
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1_000),
    **dict.fromkeys(("min", "mins", "minutes"), 60_000),
    **dict.fromkeys(("h", "hours"), 3_600_000),
    "days": 86_400_000,
}
_KINDS_OF_TIME: Final = frozenset(("string", "number"))
_AS_NUMBERS: Final = {"within": "lte", "older_than": "gt"}


def check_age(test: Test, facts: Sequence[Fact], findings: Findings) -> None:
    """Report a test of age on a field whose numbers are all too small for a time."""
    if not all(_is_no_time(fact) for fact in facts):
        return
    operator = _AS_NUMBERS[test.operator]
    number = _in_unit_of(test)
    help = f"a number is compared with `{operator}`, in the unit of the field" + (
        "" if number is None else f": `{operator}: {number}`"
    )
    edits = () if number is None else (Edit(test.span, operator), Edit(test.value_spans[0], str(number)))
    message = f"`{test.path.text}` is a number that is never a time, and `{test.operator}` asks how old a time is"
    findings.add("W623", message, test.span, help=help, edits=edits)


def check_time(path: Path, facts: Sequence[Fact], findings: Findings) -> None:
    """Report a field that a time is taken from, and that has none wherever a schema declares it."""
    declared = [fact for fact in facts if fact.status == "declared"]
    if declared and all(_is_no_time(fact) or not (fact.types or _KINDS_OF_TIME) & _KINDS_OF_TIME for fact in declared):
        kinds = frozenset[str]().union(*(fact.types or () for fact in declared)) - {"null"}
        message = f"`{path.text}` is {type_words(kinds)}, and never a time"
        findings.add("W623", message, path.span, help="name a field with RFC 3339 text, or with milliseconds since 1970")


def _is_no_time(fact: Fact) -> bool:
    if fact.types is None or fact.types - {"null"} != {"number"} or fact.root is None:
        return False
    return any(most < _EARLIEST_TIME_MS for most in _most(fact.root.node))


def _most(node: Mapping[str, object]) -> Iterator[float]:
    for bound in (node.get("maximum"), node.get("exclusiveMaximum")):
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            yield bound


def _in_unit_of(test: Test) -> int | None:
    """The duration in the unit that the field's name ends with; None where it has none, or it would be a fraction."""
    unit_ms = _UNITS_MS.get(test.path.text.rpartition("_")[2])
    if unit_ms is None or not isinstance(test.value, int) or test.value % unit_ms:
        return None
    return test.value // unit_ms
