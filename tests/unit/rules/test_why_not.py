"""What stands in the way of a condition, and what it costs, in words and as JSON."""

from typing import Final

from engine.event import JsonObject
from engine.rules.explained_costs import Cost, cost_of
from engine.rules.explanations import cost_text, explanation_as_json, judged_as_json, why_not_lines
from engine.rules.interpreter import Explanation, explain
from engine.rules.model import All, AnyOf, Condition, Events, Filter, Not, Path, Ruleset
from engine.rules.model import Test as Leaf
from engine.rules.verdicts import judge
from engine.rules.why_not import why_not

RULES: Final = Ruleset("d", Events(Path("kind", ("kind",)), Path("at", ("at",)), None))


def leaf(name: str, operator: str, value: int | str) -> Leaf:
    return Leaf(Path(name, (name,)), operator, value)


A, B, C = leaf("a", "eq", 1), leaf("b", "lt", 10), leaf("c", "matches", "x+")


def found(condition: Condition, **data: object) -> Explanation:
    return explain(condition, data, 0, RULES)


def fields(condition: Condition, **data: object) -> list[tuple[str, bool]]:
    return [(needed.test.path, needed.result) for needed in why_not(found(condition, **data))]


def test_of_an_all_every_test_that_does_not_hold_is_needed() -> None:
    assert fields(All((A, B, C)), a=1, b=10, c="y") == [("b", True), ("c", True)]
    assert fields(All((A, B)), a=1, b=9) == []


def test_of_an_any_the_shortest_way_is_named() -> None:
    assert fields(AnyOf((All((A, B)), C)), a=2, b=10, c="y") == [("c", True)]


def test_under_a_not_a_test_has_to_be_false() -> None:
    assert fields(All((A, Not(B))), a=1, b=9) == [("b", False)]


def test_what_is_missing_is_needed_as_well() -> None:
    assert fields(All((A, B)), a=1) == [("b", True)]


def test_an_any_of_nothing_cannot_be_made_to_hold() -> None:
    assert fields(AnyOf(())) == []


def test_words_name_the_value_that_was_seen_and_are_not_needed_for_a_single_test() -> None:
    assert list(why_not_lines(found(All((A, B)), a=1, b=10))) == ["b lt 10: it is 10; it would have to be true"]
    assert list(why_not_lines(found(B, b=10))) == []


def test_the_cheapest_tests_are_looked_at_first_and_no_more_than_decide() -> None:
    assert cost_of(found(All((C, B, A)), a=2, b=1, c="x")) == Cost(tests=3, weight=7, evaluated=1, evaluated_weight=1)
    assert cost_of(found(AnyOf((C, A)), a=2, c="x")) == Cost(tests=2, weight=5, evaluated=2, evaluated_weight=5)
    assert cost_of(found(leaf("a", "ne", 1), a=2)) == Cost(1, 1, 1, 1)
    assert cost_text(Cost(3, 7, 1, 1)) == "1 of 3 tests looked at, weight 1 of 7"


def test_json_says_both_of_every_filter_that_was_reached() -> None:
    data: JsonObject = {"a": 1, "b": 10}
    ruleset = Ruleset("d", RULES.events, filters=(Filter("f", All((A, B)), ()), Filter("g", A, (), mode="off")))

    first, second = (judged_as_json(judged) for judged in judge(ruleset, data, 0).filters)

    assert first["why_not"] == [{**explanation_as_json(found(B, **data)), "needed": True}]
    assert first["cost"] == {"tests": 2, "weight": 3, "evaluated": 2, "evaluated_weight": 3}
    assert "why_not" not in second
