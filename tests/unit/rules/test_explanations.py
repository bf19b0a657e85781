"""Explanations in words: each kind of test, result and reason, as lines and as JSON."""

from typing import Any, cast

import pytest

from engine.rules.explanations import WORDS, action_text, explanation_as_json, explanation_lines
from engine.rules.interpreter import explain
from engine.rules.model import (
    Action,
    All,
    Allow,
    AnyOf,
    Block,
    Condition,
    Events,
    FieldRef,
    ListRef,
    Not,
    Path,
    Ruleset,
    SendTo,
    Transform,
    Use,
)
from engine.rules.model import Test as Leaf


def path(text: str) -> Path:
    return Path(text, tuple(text.split(".")) if text else ())


RULESET = Ruleset(
    "digest",
    Events(path("type"), path("time"), None),
    conditions={"slow": Leaf(path("ms"), "gt", 10)},
    lists={"names": ("x", "y")},
)
DATA: dict[str, object] = {"ms": 11, "name": "x", "none": None, "list": [1, "x"], "text": "", "other": 11}


def lines(condition: Condition) -> list[str]:
    found = explain(condition, DATA, 0, RULESET)
    return [f"{WORDS[result]}: {text}" for result, text in explanation_lines(found)]


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (Leaf(path("ms"), "gt", 10), "true: ms gt 10: it is 11"),
        (Leaf(path("name"), "in", ListRef("names")), 'true: name in ["x", "y"]: it is "x"'),
        (Leaf(path("ms"), "eq", FieldRef(path("other"))), "true: ms eq 11: it is 11"),
        (
            Leaf(path("ms"), "eq", FieldRef(path("gone"))),
            "unknown: ms eq (a field that is missing): it is 11, nothing to compare with",
        ),
        (Leaf(path("gone"), "eq", 1), "unknown: gone eq 1: missing"),
        (Leaf(path("gone"), "eq", 1, if_missing="match"), "true: gone eq 1: missing"),
        (Leaf(path("none"), "eq", 1), "unknown: none eq 1: it is null"),
        (Leaf(path("name"), "gt", 1), 'unknown: name gt 1: it is "x", wrong type'),
        (Leaf(path("gone"), "exists", value=False), "true: gone exists false: missing"),
        (Leaf(path("text"), "eq", ""), 'true: text eq "": it is ""'),
    ],
)
def test_a_test_says_what_it_asked_and_what_it_saw(test: Condition, line: str) -> None:
    assert lines(test) == [line]


def test_what_belongs_together_stands_indented_below() -> None:
    condition = AnyOf((Not(Use("slow")), All((Leaf(path("list"), "some", Leaf(path(""), "eq", "x")),))))

    assert lines(condition) == [
        "true: any",
        "false:   not",
        "true:     use slow",
        "true:       ms gt 10: it is 11",
        "true:   all",
        'true:     list some: it is [1, "x"]',
        'unknown:       the element eq "x": it is 1, wrong type',
        'true:       the element eq "x": it is "x"',
    ]


def test_a_test_of_a_size_says_that_it_is_one() -> None:
    condition = Leaf(path("list"), "size", All((Leaf(path(""), "gte", 1), Leaf(path(""), "lt", 2))))

    assert lines(condition) == [
        'false: list size: it is [1, "x"]',
        "false:   all",
        "true:     the size gte 1: it is 2",
        "false:     the size lt 2: it is 2",
    ]


def test_json_tells_a_missing_field_from_a_null_one() -> None:
    missing = explanation_as_json(explain(Leaf(path("gone"), "eq", 1), DATA, 0, RULESET))
    null = explanation_as_json(explain(Leaf(path("none"), "eq", 1), DATA, 0, RULESET))

    test = {"what": "test", "result": None, "operator": "eq", "operand": 1}
    assert missing == {**test, "field": "gone", "reason": "missing"}
    assert null == {**test, "field": "none", "value": None, "reason": "null"}


def test_json_has_the_parts_of_what_is_joined_and_of_elements() -> None:
    found = explanation_as_json(explain(All((Leaf(path("list"), "some", Leaf(path(""), "eq", "x")),)), DATA, 0, RULESET))

    assert (found["what"], found["result"]) == ("all", True)
    (some,) = cast("list[dict[str, Any]]", found["parts"])
    assert "operand" not in some
    assert [part["result"] for part in some["parts"]] == [None, True]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (Allow(), "go on"),
        (Allow("quick"), "mark `quick`"),
        (Block(), "block"),
        (Block("bot"), "block (bot)"),
        (SendTo("gold", "copy"), "route `gold` (copy)"),
        (Transform(remove=(path("a"),), hash=(path("b"),)), "transform (remove, hash)"),
    ],
)
def test_an_action_is_named_in_a_few_words(action: Action, text: str) -> None:
    assert action_text(action) == text
