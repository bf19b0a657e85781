"""Filters over a batch: what is decided, what is counted, and what the generated source may hold."""

import gc
import linecache
import traceback
from typing import Final

import pytest

from engine.event import Event, FilterCounts, JsonObject, Submission
from engine.rules.codegen import compile_filters, compile_predicate
from engine.rules.conditions import ConditionWriter
from engine.rules.emitter import Emitter
from engine.rules.fields import Fields
from engine.rules.model import (
    Action,
    Allow,
    Block,
    Condition,
    Events,
    Extract,
    FieldRef,
    Filter,
    ListRef,
    Path,
    Route,
    Ruleset,
    SendTo,
    Transform,
)
from engine.rules.model import All as Both
from engine.rules.model import Test as Leaf


def path(text: str) -> Path:
    return Path(text, tuple(text.split(".")) if text else ())


ALWAYS: Final = Leaf(path("n"), "exists", value=True)


def ruleset_of(*filters: Filter, first_match: bool = False) -> Ruleset:
    return Ruleset(
        "digest",
        Events(path("type"), path("time"), None),
        routes={"r": Route("r", "events.r"), "s": Route("s", "events.s")},
        filters=filters,
        routing="first_match" if first_match else "all_matches",
    )


def rule(name: str, when: Condition, *actions: Action, mode: str = "enforce") -> Filter:
    return Filter(name, when, actions, mode=mode)  # type: ignore[arg-type]


def event_of(data: JsonObject, time_ms: int = 0) -> Event:
    submission = Submission([data], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None)
    return Event(data, None, "attempt", time_ms, None, None, 0, 0, submission, 0)


def run(ruleset: Ruleset, *data: JsonObject) -> tuple[list[Event], FilterCounts]:
    events = [event_of(item, time_ms) for time_ms, item in enumerate(data)]
    counts = FilterCounts.zero(len(ruleset.filters))
    compile_filters(ruleset)(events, counts)
    return events, counts


def test_a_block_ends_the_event_and_later_filters_have_not_seen_it() -> None:
    ruleset = ruleset_of(
        rule("low", Leaf(path("n"), "lt", 2), Block("too low")),
        rule("one", Leaf(path("n"), "eq", 1), Block()),
        rule("all", ALWAYS, Allow("seen")),
    )
    events, counts = run(ruleset, {"n": 1}, {"n": 5}, {"n": 0})
    assert [event.blocked for event in events] == [("low", "too low"), None, ("low", "too low")]
    assert [event.marks for event in events] == [(), ("seen",), ()]
    assert (counts.evaluated, counts.matched) == ([3, 1, 1], [2, 0, 1])
    assert counts.last_match_ms == [2, 0, 1]


def test_a_block_without_a_reason_gives_the_filters_id() -> None:
    events, _ = run(ruleset_of(rule("f", ALWAYS, Block())), {"n": 1})
    assert events[0].blocked == ("f", "f")


def test_a_filter_in_shadow_counts_and_does_not_act_and_one_that_is_off_does_neither() -> None:
    ruleset = ruleset_of(
        rule("shadow", ALWAYS, Block(), mode="shadow"), rule("off", ALWAYS, Block(), mode="off"), rule("on", ALWAYS, Allow("m"))
    )
    events, counts = run(ruleset, {"n": 1})
    assert (events[0].blocked, events[0].marks) == (None, ("m",))
    assert (counts.evaluated, counts.matched) == ([1, 0, 1], [1, 0, 1])


@pytest.mark.parametrize(
    ("mode", "copies", "topic"), [("hint", (), None), ("copy", ("events.r",), None), ("move", (), "events.r")]
)
def test_a_route_is_named_and_copied_or_moved(mode: str, copies: tuple[str, ...], topic: str | None) -> None:
    events, _ = run(ruleset_of(rule("f", ALWAYS, SendTo("r", mode))), {"n": 1})  # type: ignore[arg-type]
    assert (events[0].routes, events[0].copies, events[0].topic) == (("r",), copies, topic)


def test_under_first_match_later_filters_do_not_route_but_do_all_else() -> None:
    rules = (
        rule("no", Leaf(path("n"), "eq", 9), SendTo("s")),
        rule("first", ALWAYS, SendTo("r"), SendTo("r", "copy")),
        rule("second", ALWAYS, SendTo("s"), Allow("m")),
    )
    first, _ = run(ruleset_of(*rules, first_match=True), {"n": 1})
    every, _ = run(ruleset_of(*rules), {"n": 1})
    assert (first[0].routes, first[0].marks) == (("r", "r"), ("m",))
    assert every[0].routes == ("r", "r", "s")


def test_unknown_is_counted_and_a_wrong_type_beside_it() -> None:
    ruleset = ruleset_of(rule("f", Leaf(path("n"), "lt", 2), Allow("m")))
    _, counts = run(ruleset, {}, {"n": None}, {"n": "1"}, {"n": 3}, {"n": 1})
    assert (counts.matched, counts.unknown, counts.wrong_type) == ([1], [3], [1])


def test_a_filter_that_raises_is_counted_and_the_event_goes_on() -> None:
    ruleset = ruleset_of(rule("f", Leaf(path("t"), "matches", "a"), Block()), rule("g", ALWAYS, Allow("m")))
    events, counts = run(ruleset, {"t": "half a character \ud800", "n": 1})
    assert counts.errors == [1, 0]
    assert (events[0].blocked, events[0].marks) == (None, ("m",))


def test_an_action_that_raises_is_skipped_and_the_next_one_is_not() -> None:
    change = Transform(remove=(path("n"),), set=((path("x"), Extract("abs(t)")),))
    events, counts = run(ruleset_of(rule("f", ALWAYS, change, Allow("m"))), {"n": 1, "t": "text"})
    assert (counts.errors, counts.matched) == ([1], [1])
    assert (events[0].data, events[0].marks) == ({"n": 1, "t": "text"}, ("m",))


def test_later_filters_see_what_a_transform_has_changed() -> None:
    change = Transform(set=((path("o.a"), 7), (path("copy"), FieldRef(path("n")))), remove=(path("n"),))
    ruleset = ruleset_of(
        rule("change", ALWAYS, change),
        rule("gone", ALWAYS, Allow("n is still there")),
        rule("seen", Both((Leaf(path("o.a"), "eq", 7), Leaf(path("copy"), "eq", 1))), Allow("seen")),
        rule("kept", Leaf(path("o.b"), "eq", 2), Allow("kept")),
    )
    events, _ = run(ruleset, {"n": 1, "o": {"a": 1, "b": 2}})
    assert events[0].marks == ("seen", "kept")


def test_a_ruleset_without_filters_does_nothing() -> None:
    events, counts = run(ruleset_of(), {"n": 1})
    assert (events[0].marks, counts) == ((), FilterCounts.zero(0))


def test_a_thousand_filters_are_one_function() -> None:
    rules = [rule(f"f{n}", Leaf(path(f"field_{n % 50}"), "eq", n), Allow(f"m{n}")) for n in range(1000)]
    events, counts = run(ruleset_of(*rules), {"field_7": 957})
    assert events[0].marks == ("m957",)
    assert sum(counts.evaluated) == 1000


HOSTILE: Final = 'x\'); import os; os.abort() #\n"""\\{0}'


def test_no_text_of_a_rule_stands_in_the_source() -> None:
    hostile = Path(HOSTILE, (HOSTILE, 123_456_789))
    operators = ("eq", "contains", "starts_with", "has")
    tests = [Leaf(hostile, operator, HOSTILE) for operator in operators]
    lists = [Leaf(hostile, operator, (HOSTILE, "b")) for operator in ("in", "contains_any", "ends_with_any", "has_all")]
    conditions: list[Condition] = [
        *tests,
        *lists,
        Leaf(hostile, "lt", 987_654_321),
        Leaf(hostile, "some", Leaf(hostile, "eq", FieldRef(hostile))),
    ]
    emitter = Emitter("hostile")
    fields = Fields(emitter, (HOSTILE,))
    writer = ConditionWriter(emitter, fields, ruleset_of())
    fields.emit_reads()
    emitter.line(f"return {writer.true(Both(tuple(conditions)))}, {writer.false(Both(tuple(conditions)))}")
    source = emitter.source("data", "time_ms")
    assert all(text not in source for text in ("import", "abort", "123456789", "987654321", "#", "\\"))


def test_hostile_names_are_only_names() -> None:
    data: JsonObject = {HOSTILE: HOSTILE, "n": 1}
    actions = (
        Transform(set=((Path(HOSTILE, (HOSTILE, HOSTILE)), HOSTILE),), remove=(Path(HOSTILE, (HOSTILE,)),)),
        Allow(HOSTILE),
        Block(HOSTILE),
    )
    events, _ = run(ruleset_of(rule(HOSTILE, Leaf(Path(HOSTILE, (HOSTILE,)), "eq", HOSTILE), *actions)), data)
    assert events[0].blocked == (HOSTILE, HOSTILE)
    assert events[0].marks == (HOSTILE,)


def test_a_predicate_is_true_only_where_the_condition_is() -> None:
    predicate = compile_predicate(ruleset_of(), Leaf(path("at"), "within", 1000))
    assert [bool(predicate({"at": at}, 5000)) for at in (4000, 3999, "?", None)] == [True, False, False, False]


def test_a_value_of_a_field_is_looked_for_in_an_array_with_and_without_case() -> None:
    data: JsonObject = {"tags": ["A", 1], "tag": "a", "flag": True}
    for ignore_case, field, expected in (
        (True, "tag", True),
        (False, "tag", False),
        (True, "flag", False),
        (False, "none", False),
    ):
        test = Leaf(path("tags"), "has", FieldRef(path(field)), ignore_case)
        assert bool(compile_predicate(ruleset_of(), test)(data, 0)) is expected


def test_two_texts_of_fields_are_compared_without_case() -> None:
    test = Leaf(path("a"), "eq", FieldRef(path("b")), ignore_case=True)
    assert compile_predicate(ruleset_of(), test)({"a": "Straße", "b": "STRASSE"}, 0)


def test_a_number_of_elements_is_compared_with_a_member_of_the_event() -> None:
    limit = FieldRef(Path("$.limit", ("limit",), own=True))
    predicate = compile_predicate(ruleset_of(), Leaf(path("l"), "size", Leaf(path(""), "lt", limit)))
    assert [bool(predicate({"l": [1, 2], "limit": limit_value}, 0)) for limit_value in (3, 2)] == [True, False]


def test_a_list_that_the_ruleset_has_not_is_an_error_when_compiled() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        compile_predicate(ruleset_of(), Leaf(path("a"), "in", ListRef("nowhere")))


def test_a_traceback_shows_the_generated_line() -> None:
    emitter = Emitter("failing")
    emitter.line("return number / 0")
    function = emitter.function("number")
    with pytest.raises(ZeroDivisionError) as caught:
        function(1)
    assert "return number / 0" in "".join(traceback.format_exception(caught.value))


def test_the_lines_of_a_function_leave_with_it() -> None:
    emitter = Emitter("short lived")
    function = emitter.function()
    kept = [file for file in linecache.cache if "short lived" in file]
    assert len(kept) == 1
    del function
    gc.collect()
    assert not [file for file in linecache.cache if "short lived" in file]
