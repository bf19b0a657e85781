"""The generated code and the interpreter give one answer, for every condition and every event."""

import random
from collections.abc import Callable
from typing import Final, Literal, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import JsonObject
from engine.rules.codegen import compile_predicate
from engine.rules.conditions import ConditionWriter
from engine.rules.emitter import Emitter
from engine.rules.fields import Fields
from engine.rules.interpreter import explain
from engine.rules.model import (
    All,
    AnyOf,
    Condition,
    Enrichment,
    Events,
    FieldRef,
    ListRef,
    Not,
    Path,
    Ruleset,
    Scalar,
    Source,
    Use,
)
from engine.rules.model import Test as Leaf

CONDITIONS: Final = 1_000
EVENTS_PER_CONDITION: Final = 25
TIME_MS: Final = 1_767_225_600_000

TEXTS: Final = ("", "a", "A", "ab", "Straße", "STRASSE", "bot", "é", "10.0.0.7", "2001:db8::1", "::ffff:10.0.0.7", "10.0.0.0/8")
TIMES: Final = ("2026-01-01T00:00:00Z", "2025-12-31T23:00:00.5+00:00", "2026-01-01T01:00:00+01:00", "1999-01-01T00:00:00Z")
NUMBERS: Final = (0, 1, -1, 2, 1.0, 0.0, 0.5, 2.5, 1e300, TIME_MS, TIME_MS - 60_000, 2**63)
SCALARS: Final[tuple[Scalar, ...]] = (*TEXTS, *TIMES, *NUMBERS, True, False)
NEAR: Final[tuple[Scalar, ...]] = (0, 1, 1.0, True, False, "a", "A")
PATTERNS: Final = ("a", "^A", "b.t|é", "(?i)STRASSE", "\\Q.(", "[0-9]+$", "")
NETWORKS: Final = ("10.0.0.0/8", "10.0.0.7", "2001:db8::/32", "0.0.0.0/0")


def path(*steps: str | int, own: bool = False) -> Path:
    return Path(".".join(map(str, steps)), steps, own)


PATHS: Final = (
    *(path("a"), path("b"), path("list"), path("list", 0), path("list", -1), path("nested", "a"), path("nested", "deep", "b")),
    *(
        path("user", "a"),
        path("user", "list"),
        path("derived", "a"),
        path("user", "a", own=True),
        path("user"),
        path("never", "there"),
    ),
)
ELEMENT_PATHS: Final = (path(), path(), path("a"), path("nested", "b"), path(0), path("a", own=True))
RULESET: Final = Ruleset(
    "digest",
    Events(path("type"), path("time"), None),
    enrichment=Enrichment(sources={"user": Source("user", path("user_id"), ())}),
    conditions={"named": AnyOf((Leaf(path("a"), "eq", "a"), Not(Leaf(path("b"), "lt", 2)))), "nested": Not(Use("named"))},
    lists={"mixed": ("a", 1, True), "texts": ("a", "Straße"), "empty": (), "patterns": PATTERNS[:3]},
)

texts = st.sampled_from(TEXTS)
if_missings: st.SearchStrategy[Literal["match", "no_match"] | None] = st.sampled_from((None, None, None, "match", "no_match"))
scalars = st.sampled_from(NEAR) | st.sampled_from(SCALARS)
limits = st.sampled_from((*TIMES, *NUMBERS))


def tuples_of(items: st.SearchStrategy[Scalar]) -> st.SearchStrategy[tuple[Scalar, ...]]:
    return st.lists(items, min_size=1, max_size=3).map(tuple)


def operand(operator: str, paths: tuple[Path, ...]) -> st.SearchStrategy[object]:
    """Operands as the parser lets them through."""
    field = st.sampled_from(paths).map(FieldRef)
    if operator in {"eq", "ne", "has"}:
        return scalars | field
    if operator in {"lt", "lte", "gt", "gte"}:
        return limits | field
    if operator == "between":
        return st.sampled_from(((0, 2), (1, 1), (0.5, 2**63), (TIMES[1], TIMES[0]), (TIMES[3], TIMES[2])))
    if operator in {"in", "not_in", "has_any", "has_all"}:
        return tuples_of(scalars) | st.sampled_from([ListRef("mixed"), ListRef("texts"), ListRef("empty")])
    if operator in {"contains", "starts_with", "ends_with"}:
        return texts | field
    if operator == "matches":
        return st.sampled_from(PATTERNS)
    if operator == "matches_any":
        return tuples_of(st.sampled_from(PATTERNS)) | st.sampled_from([ListRef("patterns"), ListRef("empty")])
    if operator == "in_cidr":
        return tuples_of(st.sampled_from(NETWORKS))
    if operator in {"exists", "is_null"}:
        return st.booleans()
    if operator in {"within", "older_than"}:
        return st.sampled_from((0, 59_999, 60_000, 10**9))
    return tuples_of(texts) | st.just(ListRef("texts"))


OPERATORS: Final = (
    *("eq", "ne", "lt", "lte", "gt", "gte", "between", "in", "not_in", "contains", "starts_with", "ends_with"),
    *("contains_any", "contains_all", "starts_with_any", "ends_with_any", "matches", "matches_any", "in_cidr"),
    *("has", "has_any", "has_all", "exists", "is_null", "within", "older_than"),
)


@st.composite
def leaves(draw: st.DrawFn, paths: tuple[Path, ...]) -> Leaf:
    operator = draw(st.sampled_from(OPERATORS))
    value = cast("Scalar", draw(operand(operator, paths)))
    if_missing = draw(if_missings)
    return Leaf(draw(st.sampled_from(paths)), operator, value, draw(st.booleans()), if_missing)


@st.composite
def element_leaves(draw: st.DrawFn) -> Leaf:
    """Tests that look into an array: some, every and size, also one in the other."""
    operator = draw(st.sampled_from(("some", "every", "size")))
    where = draw(st.sampled_from((path("list"), path("user", "list"), path("a"), path("list", 0))))
    paths = (path(),) if operator == "size" else ELEMENT_PATHS
    inner = draw(joined(leaves(paths), max_leaves=3))
    if operator != "size" and draw(st.integers(0, 3)) == 0:
        inner = Leaf(path(), draw(st.sampled_from(("some", "every"))), inner)
    return Leaf(where, operator, inner, if_missing=draw(if_missings))


def joined(items: st.SearchStrategy[Condition], max_leaves: int) -> st.SearchStrategy[Condition]:
    def extend(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.lists(inner, max_size=3).map(tuple)
        return several.map(All) | several.map(AnyOf) | inner.map(Not)

    return st.recursive(items, extend, max_leaves=max_leaves)


conditions: st.SearchStrategy[Condition] = joined(
    leaves(PATHS) | leaves(PATHS) | leaves(PATHS) | element_leaves() | st.sampled_from((Use("named"), Use("nested"))),
    max_leaves=6,
)


def random_value(chance: random.Random, depth: int = 0) -> object:
    roll = chance.random()
    if roll < 0.1:
        return None
    if roll < 0.25 and depth < 3:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if roll < 0.35 and depth < 3:
        return random_members(chance, depth + 1)
    return chance.choice(NEAR if roll < 0.6 else SCALARS)


def random_members(chance: random.Random, depth: int) -> JsonObject:
    """Members of the names that the paths ask for, each there or not."""
    members: JsonObject = {name: random_value(chance, depth) for name in ("a", "b", "user") if chance.random() < 0.8}
    if chance.random() < 0.8:
        members["list"] = [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if depth < 3 and chance.random() < 0.7:
        members["nested"] = random_members(chance, depth + 1)
        members["deep"] = random_members(chance, depth + 1)
    return members


def random_event(chance: random.Random) -> JsonObject:
    data = random_members(chance, 0)
    if chance.random() < 0.9:
        data["enrichment"] = {name: random_members(chance, 2) for name in ("user", "derived") if chance.random() < 0.8}
    return data


def three_answers(condition: Condition) -> Callable[[JsonObject, int], tuple[bool, bool, bool]]:
    """Generated code that says: definitely true, definitely false, met a wrong type."""
    emitter = Emitter("three answers")
    fields = Fields(emitter, RULESET.enrichment.sources)
    writer = ConditionWriter(emitter, fields, RULESET)
    fields.emit_reads()
    emitter.line(f"return bool({writer.true(condition)}), bool({writer.false(condition)}), bool({writer.wrong_type(condition)})")
    return cast("Callable[[JsonObject, int], tuple[bool, bool, bool]]", emitter.function("data", "time_ms"))


@settings(max_examples=CONDITIONS, deadline=None, suppress_health_check=list(HealthCheck))
@given(conditions, st.integers(0, 2**32))
def test_true_false_unknown_and_wrong_type_are_the_interpreters(condition: Condition, seed: int) -> None:
    generated, predicate = three_answers(condition), compile_predicate(RULESET, condition)
    chance = random.Random(seed)
    for _ in range(EVENTS_PER_CONDITION):
        data = random_event(chance)
        meant = explain(condition, data, TIME_MS, RULESET)
        assert generated(data, TIME_MS) == (meant.result is True, meant.result is False, meant.met_wrong_type()), data
        assert bool(predicate(data, TIME_MS)) is (meant.result is True)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(conditions, st.integers(0, 2**32))
def test_a_negation_turns_true_and_false_around_and_nothing_else(condition: Condition, seed: int) -> None:
    plain, negated = three_answers(condition), three_answers(Not(condition))
    chance = random.Random(seed)
    for _ in range(EVENTS_PER_CONDITION):
        data = random_event(chance)
        true, false, wrong_type = plain(data, TIME_MS)
        assert negated(data, TIME_MS) == (false, true, wrong_type)
        assert not (true and false)
