"""Transforms: each change, and that nothing else changes."""

import copy
import hashlib
from typing import Final

import pytest

from engine.event import JsonObject
from engine.rules.expressions import ExtractionFailed
from engine.rules.model import Extract, FieldRef, Path, Transform
from engine.rules.transforms import PathBlocked, compile_transform


def path(*steps: str | int, own: bool = False) -> Path:
    return Path(".".join(map(str, steps)), steps, own)


SOURCES: Final = ("user",)


def changed(transform: Transform, data: JsonObject) -> JsonObject:
    """What the transform makes, having checked that the event it was given, and all in it, is as before."""
    before = copy.deepcopy(data)
    result = compile_transform(transform, SOURCES)(data)
    assert data == before
    return result


def test_set_makes_the_objects_on_its_way() -> None:
    transform = Transform(set=((path("a"), 1), (path("o", "p", "q"), [2]), (path("n", "x"), "made")))
    assert changed(transform, {"a": 0, "n": None}) == {"a": 1, "o": {"p": {"q": [2]}}, "n": {"x": "made"}}


def test_set_takes_values_from_fields_and_expressions() -> None:
    data: JsonObject = {"tags": ["x", "y"], "user": "own", "enrichment": {"user": {"country": "DE"}, "derived": {}}}
    transform = Transform(
        set=(
            (path("country"), FieldRef(path("user", "country"))),
            (path("last"), Extract("tags[-1]")),
            (path("where"), Extract("user.country")),
        )
    )
    assert changed(transform, data) == {**data, "country": "DE", "last": "y", "where": "DE"}


def test_set_leaves_alone_what_has_no_value() -> None:
    data: JsonObject = {"a": 1, "b": 2, "null": None}
    transform = Transform(
        set=((path("a"), FieldRef(path("none"))), (path("b"), Extract("none.at.all")), (path("c"), FieldRef(path("null"))))
    )
    assert changed(transform, data) == {"a": 1, "b": 2, "null": None, "c": None}


def test_set_reads_the_event_as_it_was_before() -> None:
    transform = Transform(remove=(path("email"),), set=((path("kept"), FieldRef(path("email"))),))
    assert changed(transform, {"email": "a@b.example"}) == {"kept": "a@b.example"}


def test_changes_come_in_the_order_remove_rename_set_hash_mask() -> None:
    transform = Transform(
        mask=((path("h"), 2),),
        hash=(path("h"),),
        set=((path("h"), "secret"),),
        rename=((path("a"), path("b")),),
        remove=(path("b"),),
    )
    digest = hashlib.sha256(b"secret").hexdigest()
    assert changed(transform, {"a": 1, "b": 2}) == {"b": 1, "h": "*" * 62 + digest[-2:]}


def test_remove_and_rename_of_what_is_not_there_do_nothing() -> None:
    transform = Transform(remove=(path("x"), path("a", "b"), path("l", 5)), rename=((path("y"), path("a")),))
    assert changed(transform, {"a": 1, "l": [1]}) == {"a": 1, "l": [1]}


def test_rename_moves_over_what_is_there() -> None:
    data: JsonObject = {"o": {"a": 1}, "p": 2}
    assert changed(Transform(rename=((path("o", "a"), path("p")),)), data) == {"o": {}, "p": 1}


def test_items_of_arrays_can_be_set_and_removed() -> None:
    assert changed(Transform(set=((path("l", -1, "x"), 1),), remove=(path("m", 0),)), {"l": [1, {"x": 0}], "m": [1, 2]}) == {
        "l": [1, {"x": 1}],
        "m": [2],
    }


@pytest.mark.parametrize(("value", "text"), [("ä", "ä"), (12, "12"), (True, "true"), ({"b": 1, "a": [2]}, '{"a":[2],"b":1}')])
def test_hash_is_the_sha256_of_the_values_text(value: object, text: str) -> None:
    assert changed(Transform(hash=(path("f"),)), {"f": value}) == {"f": hashlib.sha256(text.encode()).hexdigest()}


@pytest.mark.parametrize(
    ("value", "keep", "expected"),
    [("4111111111111111", 4, "************1111"), ("abc", 4, "abc"), ("abc", 0, "***"), (12345, 2, "***45")],
)
def test_mask_keeps_the_last_characters(value: object, keep: int, expected: str) -> None:
    assert changed(Transform(mask=((path("f"), keep),)), {"f": value}) == {"f": expected}


def test_hash_and_mask_leave_missing_and_null_as_they_are() -> None:
    transform = Transform(hash=(path("a"), path("b")), mask=((path("a"), 1), (path("b"), 1)))
    assert changed(transform, {"a": None}) == {"a": None}


def test_a_shared_context_is_copied_on_the_way_to_a_change() -> None:
    shared: JsonObject = {"country": "DE", "device": {"os": "x"}, "other": {}}
    first: JsonObject = {"enrichment": {"user": shared, "derived": {}}}
    second: JsonObject = {"enrichment": {"user": shared, "derived": {}}}
    result = changed(Transform(remove=(path("user", "country"),), set=((path("user", "device", "os"), "y"),)), first)
    assert result["enrichment"] == {"user": {"device": {"os": "y"}, "other": {}}, "derived": {}}
    assert second["enrichment"] == {"user": {"country": "DE", "device": {"os": "x"}, "other": {}}, "derived": {}}


def test_a_value_of_the_rule_is_not_shared_between_events() -> None:
    transform = compile_transform(Transform(set=((path("o"), {"a": 1}), (path("o", "b"), FieldRef(path("n"))))), SOURCES)
    assert [transform({"n": n}) for n in (1, 2)] == [{"n": 1, "o": {"a": 1, "b": 1}}, {"n": 2, "o": {"a": 1, "b": 2}}]
    assert transform({}) == {"o": {"a": 1}}


def test_a_path_that_starts_with_own_reaches_the_events_member() -> None:
    data: JsonObject = {"user": {"a": 1}, "enrichment": {"user": {"a": 2}}}
    assert changed(Transform(remove=(path("user", "a", own=True),)), data) == {"user": {}, "enrichment": {"user": {"a": 2}}}


def test_a_place_that_cannot_be_reached_raises_and_changes_nothing() -> None:
    with pytest.raises(PathBlocked, match="`b` cannot be set in int"):
        changed(Transform(remove=(path("x"),), set=((path("a", "b"), 1),)), {"a": 1, "x": 1})
    with pytest.raises(PathBlocked, match="`3` cannot be set in list"):
        changed(Transform(set=((path("l", 3), 1),)), {"l": [1]})


def test_an_expression_that_fails_raises_and_changes_nothing() -> None:
    with pytest.raises(ExtractionFailed, match="abs"):
        changed(Transform(remove=(path("t"),), set=((path("a"), Extract("abs(t)")),)), {"t": "text"})
