"""What the reasoner says of conditions is true of every event there is: brute force over small domains, judged by the interpreter.

Each path takes each value of a set that has every constant of the conditions, values beside and between them, and whatever is missing, null
or of another type. How much of what is so the reasoner says is measured, not asked for: `--hypothesis-show-statistics` tells.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from engine.event import JsonObject
from engine.rules.interpreter import evaluate
from engine.rules.model import All, AnyOf, Condition, Events, EventType, FieldRef, Not, Path, Ruleset, Scalar, Use
from engine.rules.model import Test as Leaf
from engine.rules.normalise import normalise
from engine.rules.reasoning import Reasoner
from engine.rules.schemas import EventSchema
from engine.rules.values import MISSING

PAIRS: Final = 300
MEASURED: Final = 25
TIME_MS: Final = 1_767_225_600_000
TIMES: Final = ("2026-01-01T00:00:00Z", "2025-12-31T23:59:00Z")

A, B, T = Path("a", ("a",)), Path("b", ("b",)), Path("t", ("t",))
ELEMENT: Final = Path("", ())
VALUES: Final[dict[Path, tuple[object, ...]]] = {
    A: (
        *(MISSING, None, True, False, {}, [], [1], ["x", 2, True]),
        *(-1, 0, 0.5, 1.0, 1.5, 2, 3, TIME_MS, TIME_MS - 60_000, float(TIME_MS)),
        *("", "x", "X", "xyz", "yx", "ß", "ss", *TIMES, "2026-01-01T00:00:01Z", "10.0.0.7", "10.1.0.1", "11.0.0.1"),
    ),
    B: (MISSING, None, True, 0, 1.5, "x", "xY"),
}
TEXTS: Final = ("x", "xy", "y", "X", "ß", "ss")
NUMBERS: Final = (0, 1, 1.0, 2, 0.5)
SCALARS: Final[tuple[Scalar, ...]] = (*TEXTS, *NUMBERS, True, False)
PATTERNS: Final = ("x", "^x", "y$", "[xy]{2}")
NETWORKS: Final = ("10.0.0.0/8", "10.0.0.0/16", "11.0.0.0/8", "0.0.0.0/0")
BOUNDS: Final = (*NUMBERS, *TIMES)


def tuples_of(items: tuple[Scalar, ...]) -> st.SearchStrategy[tuple[Scalar, ...]]:
    return st.lists(st.sampled_from(items), min_size=1, max_size=3).map(tuple)


OPERANDS: Final[dict[str, st.SearchStrategy[object]]] = {
    **dict.fromkeys(("eq", "ne"), st.sampled_from(SCALARS)),
    **dict.fromkeys(("in", "not_in"), tuples_of(SCALARS)),
    **dict.fromkeys(("lt", "lte", "gt", "gte"), st.sampled_from(BOUNDS)),
    "between": st.sampled_from(((0, 1), (0.5, 2), (1, 1), (TIMES[1], TIMES[0]))),
    **dict.fromkeys(("contains", "starts_with", "ends_with"), st.sampled_from(TEXTS)),
    **dict.fromkeys(("contains_any", "contains_all", "starts_with_any", "ends_with_any"), tuples_of(TEXTS)),
    "matches": st.sampled_from(PATTERNS),
    "matches_any": tuples_of(PATTERNS),
    "in_cidr": tuples_of(NETWORKS),
    "has": st.sampled_from((1, 2, True, "x", "X")),
    **dict.fromkeys(("has_any", "has_all"), tuples_of((1, 2, True, "x", "X"))),
    **dict.fromkeys(("exists", "is_null"), st.booleans()),
    **dict.fromkeys(("within", "older_than"), st.sampled_from((0, 60_000, 59_999))),
}
BESIDE_FIELDS: Final = ("eq", "ne", "lt", "lte", "gt", "gte", "contains", "starts_with", "has")


@st.composite
def leaves(draw: st.DrawFn, paths: tuple[Path, ...] = (A, A, B)) -> Leaf:
    operator = draw(st.sampled_from(tuple(OPERANDS)))
    value = draw(OPERANDS[operator])
    if operator in BESIDE_FIELDS and paths != (ELEMENT,) and draw(st.integers(0, 5)) == 0:
        value = FieldRef(B)
    if_missing = draw(st.sampled_from((None, None, "match", "no_match")))
    return Leaf(draw(st.sampled_from(paths)), operator, cast("Scalar", value), draw(st.booleans()), if_missing)  # type: ignore[arg-type]


sizes = st.builds(Leaf, st.just(ELEMENT), st.sampled_from(("eq", "ne", "lt", "gte")), st.sampled_from((0, 1, 2)))
elements = st.builds(Leaf, st.just(A), st.just("size"), sizes) | st.builds(
    Leaf, st.just(A), st.sampled_from(("some", "every")), leaves((ELEMENT,))
)


def joined(items: st.SearchStrategy[Condition], max_leaves: int) -> st.SearchStrategy[Condition]:
    def extend(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return several.map(All) | several.map(All) | several.map(AnyOf) | inner.map(Not)

    return st.recursive(items, extend, max_leaves=max_leaves)


conditions: st.SearchStrategy[Condition] = joined(leaves() | leaves() | elements | st.just(Use("named")), max_leaves=4)
NAMED: Final = AnyOf((Leaf(A, "eq", "x"), Not(Leaf(B, "lt", 2))))


def ruleset(schemas: Mapping[str, JsonObject] | None = None) -> Ruleset:
    types = {name: EventType(name, schema) for name, schema in (schemas or {}).items()}
    return Ruleset("digest", Events(T, Path("at", ("at",)), None, types=types), conditions={"named": NAMED})


FREE: Final = ruleset()


KINDS: Final = ("one", "two")
NODES: Final[tuple[JsonObject | None, ...]] = (
    None,
    {},
    {"type": "integer", "minimum": 0},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 2},
    {"type": ["integer", "null"], "exclusiveMaximum": 1.5},
    {"enum": ["x", "yx", None, True]},
    {"const": 1},
    {"type": ["string", "null"]},
    {"type": ["string", "array"], "minLength": 1},
    {"type": "boolean"},
)
schemas = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.booleans(), st.booleans())
kind_tests = st.builds(Leaf, st.just(T), st.sampled_from(("eq", "ne")), st.sampled_from(KINDS)) | st.builds(
    Leaf, st.just(T), st.just("in"), st.just(KINDS)
)


def schema(a: JsonObject | None, b: JsonObject | None, closed: bool, required: bool) -> JsonObject:
    """The schema of one type; with `closed`, a member of which nothing is said cannot be."""
    members: JsonObject = {name: node for name, node in (("a", a), ("b", b), ("t", {}), ("at", {})) if node is not None}
    return {"properties": members, "additionalProperties": not closed, "required": ["a"] if required and a is not None else []}


def combinations() -> Iterator[JsonObject]:
    for a, b in itertools.product(VALUES[A], VALUES[B]):
        yield {name: value for name, value in (("a", a), ("b", b)) if value is not MISSING}


EVENTS: Final = tuple(combinations())


def truths(condition: Condition, events: tuple[JsonObject, ...], rules: Ruleset) -> Callable[[], list[bool]]:
    """The interpreter's word on each event, asked for when it is needed, and once."""
    known: list[bool] = []

    def ask() -> list[bool]:
        if not known:
            known.extend(evaluate(condition, event, TIME_MS, rules) is True for event in events)
        return known

    return ask


@dataclass(slots=True)
class Scores:
    """How much of what is so the reasoner said, over the first pairs."""

    left: int = MEASURED
    about: str = ""

    def add(self, what: str, truth: Callable[[], bool], *, said: bool) -> None:
        """Check what was said; what was not said is only tried to measure."""
        if not said and self.left <= 0:
            return
        is_so = truth()
        assert is_so or not said, f"{what}: {self.about}"
        if self.left > 0:
            event(f"{what}: {'said' if said else 'so and not said' if is_so else 'not so'}")


def _never(ask: Callable[[], list[bool]]) -> bool:
    return True not in ask()


def _always(ask: Callable[[], list[bool]]) -> bool:
    return False not in ask()


def _implied(known: Callable[[], list[bool]], other: Callable[[], list[bool]]) -> bool:
    return all(not is_known or is_other for is_known, is_other in zip(known(), other(), strict=True))


def check(one: Condition, two: Condition, rules: Ruleset, events: tuple[JsonObject, ...], scores: Scores) -> None:
    scores.about = f"{one}\n{two}"
    reasoner = Reasoner(rules, [normalise(one, rules), normalise(two, rules)])
    asked = [(reasoner.formula(condition), truths(condition, events, rules)) for condition in (one, two)]
    for (first, ask), (second, answer) in (asked, asked[::-1]):
        scores.add("impossible", partial(_never, ask), said=not reasoner.is_possible(first))
        scores.add("always", partial(_always, ask), said=reasoner.is_always(first))
        scores.add("implied", partial(_implied, ask, answer), said=reasoner.follows(first, second))
    scores.left -= 1


OF_VALUES: Final = Scores()
OF_EVENTS: Final = Scores()
quietly: Final = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(quietly, max_examples=PAIRS)
@given(conditions, conditions)
def test_no_event_shows_otherwise(one: Condition, two: Condition) -> None:
    check(one, two, FREE, EVENTS, OF_VALUES)


@settings(quietly, max_examples=PAIRS // 2)
@given(joined(leaves() | leaves() | elements | kind_tests, max_leaves=3), conditions, st.tuples(schemas, schemas))
def test_no_event_that_its_schema_lets_in_shows_otherwise(
    one: Condition, two: Condition, parts: tuple[tuple[JsonObject | None, JsonObject | None, bool, bool], ...]
) -> None:
    documents = {kind: schema(*part) for kind, part in zip(KINDS, parts, strict=True)}
    valid = {kind: EventSchema(document).is_valid for kind, document in documents.items()}
    candidates = ({**members, "t": kind, "at": TIME_MS} for kind in KINDS for members in EVENTS)
    let_in = tuple(candidate for candidate in candidates if valid[str(candidate["t"])](candidate))
    check(one, two, ruleset(documents), let_in, OF_EVENTS)
