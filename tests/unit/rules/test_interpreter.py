"""What conditions mean, one sentence of the language at a time."""

from typing import Final

import pytest

from engine.event import JsonObject
from engine.rules.interpreter import REASON_MISSING, REASON_NULL, REASON_OPERAND, REASON_WRONG_TYPE, evaluate, explain
from engine.rules.model import All, AnyOf, Condition, Enrichment, Events, FieldRef, ListRef, Not, Path, Ruleset, Source, Use
from engine.rules.model import Test as Leaf
from engine.rules.values import MISSING

NOON_MS: Final = 1_767_268_800_000
NOON: Final = "2026-01-01T12:00:00Z"


def path(text: str, *, own: bool = False) -> Path:
    return Path(text, tuple(text.split(".")) if text else (), own)


RULESET: Final = Ruleset(
    "digest",
    Events(path("type"), path("time"), None),
    enrichment=Enrichment(sources={"user": Source("user", path("user_id"), ())}),
    conditions={"fast": Leaf(path("ms"), "lt", 1000)},
    lists={"countries": ("DE", "FR")},
)


def judge(condition: Condition, data: JsonObject) -> bool | None:
    return evaluate(condition, data, NOON_MS, RULESET)


@pytest.mark.parametrize(
    ("operator", "operand", "value", "expected"),
    [
        ("eq", "a", "a", True),
        ("eq", "a", "A", False),
        ("eq", 1, 1.0, True),
        ("eq", 1, "1", None),
        ("eq", True, 1, None),
        ("eq", 1, True, None),
        ("eq", 1, [1], None),
        ("ne", "a", "b", True),
        ("ne", "a", 1, None),
        ("in", ("a", 1), "b", False),
        ("in", ("a", 1), 1, True),
        ("in", ("a", 1), True, None),
        ("in", ListRef("countries"), "FR", True),
        ("not_in", ListRef("countries"), "US", True),
        ("not_in", ("a",), 1, None),
        ("lt", 10, 9.5, True),
        ("lt", 10, "9", None),
        ("lt", 10, False, None),
        ("lte", 10, 10, True),
        ("gt", 10, 10, False),
        ("gte", NOON, "2026-01-01T13:00:00+01:00", True),
        ("gt", NOON, NOON_MS + 1, True),
        ("gt", NOON, "noon", None),
        ("between", (1, 3), 3, True),
        ("between", (1, 3), 1, True),
        ("between", (1, 3), 3.5, False),
        ("contains", "b", "abc", True),
        ("contains", "b", ["b"], None),
        ("contains_any", ("x", "c"), "abc", True),
        ("contains_all", ("x", "c"), "abc", False),
        ("starts_with", "ab", "abc", True),
        ("starts_with_any", ("b", "c"), "abc", False),
        ("ends_with", "bc", "abc", True),
        ("ends_with_any", ("b", "c"), "abc", True),
        ("matches", "b.$", "abc", True),
        ("matches", "^b", "abc", False),
        ("matches", "1", 1, None),
        ("matches_any", ("^b", "^a"), "abc", True),
        ("has", "a", ["b", "a"], True),
        ("has", 1, [True, "1"], False),
        ("has", "a", "a", None),
        ("has_any", ("a", "b"), ["b"], True),
        ("has_all", ("a", "b"), ["b"], False),
        ("within", 60_000, "2026-01-01T11:59:00Z", True),
        ("within", 60_000, "2026-01-01T11:58:59.999Z", False),
        ("within", 60_000, "2026-01-01T13:00:00Z", True),
        ("within", 60_000, "yesterday", None),
        ("older_than", 60_000, "2026-01-01T11:58:59.999Z", True),
        ("older_than", 60_000, NOON_MS - 60_000, False),
        ("in_cidr", ("10.0.0.0/8",), "10.1.2.3", True),
        ("in_cidr", ("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        ("in_cidr", ("10.0.0.0/8",), "2001:db8::1", False),
        ("in_cidr", ("10.0.0.0/8",), "10.1.2", None),
    ],
)
def test_an_operator_answers(operator: str, operand: object, value: object, expected: bool | None) -> None:
    assert judge(Leaf(path("f"), operator, operand), {"f": value}) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "operand", "value"),
    [
        ("eq", "STRASSE", "straße"),
        ("in", ("A",), "a"),
        ("contains", "B", "abc"),
        ("matches", "B", "abc"),
        ("contains_all", ("A", "C"), "abc"),
    ],
)
def test_ignore_case_folds_both_sides(operator: str, operand: str | tuple[str, ...], value: str) -> None:
    assert judge(Leaf(path("f"), operator, operand, ignore_case=True), {"f": value}) is True
    assert judge(Leaf(path("f"), operator, operand), {"f": value}) is False


@pytest.mark.parametrize("data", [{}, {"a": None}, {"a": 1}, {"a": {"b": None}}, {"a": [{"b": 1}]}])
def test_what_is_not_there_is_unknown_and_its_negation_too(data: JsonObject) -> None:
    test = Leaf(path("a.b"), "ne", 1)
    assert judge(test, data) is None
    assert judge(Not(test), data) is None


@pytest.mark.parametrize(("if_missing", "expected"), [("match", True), ("no_match", False)])
def test_if_missing_decides_for_missing_and_null_only(if_missing: str, expected: bool) -> None:
    test = Leaf(path("a"), "ne", "x", if_missing=if_missing)  # type: ignore[arg-type]
    assert judge(test, {}) is expected
    assert judge(test, {"a": None}) is expected
    assert judge(test, {"a": 1}) is None


@pytest.mark.parametrize(
    ("data", "exists", "is_null"),
    [({}, False, False), ({"a": None}, False, True), ({"a": 0}, True, False), ({"a": []}, True, False)],
)
def test_exists_and_is_null_always_know(data: JsonObject, exists: bool, is_null: bool) -> None:
    assert judge(Leaf(path("a"), "exists", value=True), data) is exists
    assert judge(Leaf(path("a"), "exists", value=False), data) is not exists
    assert judge(Leaf(path("a"), "is_null", value=True), data) is is_null
    assert judge(Leaf(path("a"), "is_null", value=False), data) is not is_null


def test_joins_follow_kleene() -> None:
    true, false, unknown = Leaf(path("a"), "eq", 1), Leaf(path("a"), "eq", 2), Leaf(path("z"), "eq", 1)
    data: JsonObject = {"a": 1}
    assert judge(All((true, unknown)), data) is None
    assert judge(All((false, unknown)), data) is False
    assert judge(AnyOf((true, unknown)), data) is True
    assert judge(AnyOf((false, unknown)), data) is None
    assert judge(All(()), data) is True
    assert judge(AnyOf(()), data) is False


def test_some_and_every_join_over_the_elements() -> None:
    over, unknown = Leaf(path("n"), "gt", 1), {"n": "?"}
    some, every = Leaf(path("l"), "some", over), Leaf(path("l"), "every", over)
    assert (judge(some, {"l": [{"n": 0}, {"n": 2}]}), judge(every, {"l": [{"n": 0}, {"n": 2}]})) == (True, False)
    assert (judge(some, {"l": [unknown, {"n": 0}]}), judge(every, {"l": [unknown, {"n": 2}]})) == (None, None)
    assert (judge(some, {"l": [unknown, {"n": 2}]}), judge(every, {"l": [unknown, {"n": 0}]})) == (True, False)
    assert (judge(some, {"l": []}), judge(every, {"l": []})) == (False, True)
    assert (judge(some, {"l": {"n": 2}}), judge(every, {})) == (None, None)
    assert judge(Leaf(path("l"), "some", Leaf(path(""), "eq", "x")), {"l": ["y", "x"]}) is True


def test_size_is_a_condition_on_the_number_of_elements() -> None:
    test = Leaf(path("l"), "size", Leaf(path(""), "gte", 2))
    assert [judge(test, {"l": value}) for value in ([1, 2], [1], "ab")] == [True, False, None]


def test_a_field_is_compared_with_a_field_of_its_kind() -> None:
    test = Leaf(path("a"), "lt", FieldRef(path("user.b")))
    for a, b, expected in ((1, 2, True), (2, 1, False), (1, "2", None), (NOON, "2026-01-01T12:00:01Z", True), (1, None, None)):
        assert judge(test, {"a": a, "enrichment": {"user": {"b": b}}}) is expected


def test_a_path_leads_to_the_source_of_that_name_and_own_to_the_event() -> None:
    data: JsonObject = {"user": {"t": "own"}, "enrichment": {"user": {"t": "context"}, "derived": {"d": 1}}}
    assert judge(Leaf(path("user.t"), "eq", "context"), data) is True
    assert judge(Leaf(path("user.t", own=True), "eq", "own"), data) is True
    assert judge(Leaf(path("derived.d"), "eq", 1), data) is True
    assert judge(Leaf(path("user.t"), "eq", "own"), {"user": {"t": "own"}}) is None


def test_an_explanation_names_what_each_test_saw_and_why_it_does_not_know() -> None:
    condition = All(
        (Use("fast"), Not(Leaf(path("b"), "eq", "x")), Leaf(path("c"), "eq", 1), Leaf(path("d"), "eq", FieldRef(path("e"))))
    )
    found = explain(condition, {"ms": 5, "b": None, "c": "1", "d": 1}, NOON_MS, RULESET)
    use, negation, wrong, reference = found.parts
    assert (found.what, found.result, found.met_wrong_type()) == ("all", None, True)
    assert (use.what, use.result, use.parts[0].path, use.parts[0].operand, use.parts[0].seen) == ("use fast", True, "ms", 1000, 5)
    assert (negation.what, negation.result, negation.parts[0].reason) == ("not", None, REASON_NULL)
    assert (wrong.what, wrong.seen, wrong.reason) == ("eq", "1", REASON_WRONG_TYPE)
    assert (reference.operand, reference.reason) == (MISSING, REASON_OPERAND)


def test_an_explanation_has_one_part_per_element() -> None:
    found = explain(Leaf(path("l"), "every", Leaf(path("n"), "eq", 1)), {"l": [{"n": 1}, {}]}, NOON_MS, RULESET)
    assert [(part.result, part.reason) for part in found.parts] == [(True, ""), (None, REASON_MISSING)]
