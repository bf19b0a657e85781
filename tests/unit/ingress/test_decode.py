"""From bytes to events: what an event carries, and what each item that is none is told."""

import gc
import logging
import weakref
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.event import JsonObject, Submission
from engine.ingress.decode import Decoder
from engine.rules.plan_events import reader
from tests.unit.ingress.samples import (
    DAY_MS,
    EVENTS,
    NOW_MS,
    NOW_TEXT,
    PLAN,
    accepted,
    attempt,
    decode,
    note,
    path,
    plan_with,
    rejected,
)


def test_an_event_carries_what_the_rules_say_of_it() -> None:
    raw = orjson.dumps(attempt(score=1))
    event = accepted(raw)
    assert event.data == attempt(score=1)
    assert (event.raw, event.type, event.time_ms, event.key) == (raw, "attempt", NOW_MS, "u1")
    assert (event.claim_key, event.ttl_ms, event.submission.ids) == ("attempt:a1", DAY_MS, ["a1"])


def test_an_object_is_an_event_as_its_bytes_are() -> None:
    whole, in_part = accepted(orjson.dumps(attempt())), accepted(attempt())
    assert in_part.raw is None
    assert (in_part.data, in_part.claim_key, in_part.checksum) == (whole.data, whole.claim_key, whole.checksum)


def test_events_keep_the_order_and_the_index_of_their_items() -> None:
    events, submission = decode(attempt(client_attempt_id="x"), b"{", attempt(client_attempt_id="y"), b"1", note())
    assert [(event.index, event.claim_key) for event in events] == [(0, "attempt:x"), (2, "attempt:y"), (4, None)]
    assert submission.ids == ["x", None, "y", None, None]


@pytest.mark.parametrize("bad", [b"{", b"1", attempt(client_attempt_id=""), attempt(processing=1)])
def test_what_came_with_an_item_that_is_no_event_is_free_without_a_collection(bad: bytes | JsonObject) -> None:
    gc.disable()
    try:
        events, submission = decode(attempt(client_attempt_id="x"), bad)
        assert [event.index for event in events] == [0]
        seen = weakref.ref(events[0])
        del events, submission
        assert seen() is None
    finally:
        gc.enable()


def test_a_submission_without_a_single_event_is_done() -> None:
    done: list[Submission] = []
    submission = Submission([b"{", b"[]"], input_name="test", received_ms=NOW_MS, size_bytes=3, done=done.append)
    assert Decoder(PLAN, lambda: NOW_MS, max_event_bytes=100).decode(submission) == []
    assert done == [submission]


@pytest.mark.parametrize(
    ("key", "expected"), [("u1", "u1"), (7, "7"), (None, None), ("", None), (True, None), (1.5, None), ([], None)]
)
def test_the_ordering_key_is_text_or_a_whole_number(key: object, expected: str | None) -> None:
    assert accepted(note(user_id=key)).key == expected


def test_without_an_ordering_key_in_the_rules_no_event_has_one() -> None:
    assert accepted(note(user_id="u1"), plan_with(replace(EVENTS, key=None))).key is None


def test_the_checksum_depends_on_the_content_and_not_on_how_it_is_written() -> None:
    compact, spread = (
        accepted(b'{"event_type":"note","timestamp":1772442000000,"a":{"b":1,"c":2}}'),
        accepted(b'{ "a": {"c": 2, "b": 1},\t"timestamp": 1772442000000, "event_type": "not\\u0065" }'),
    )
    assert compact.checksum == spread.checksum
    assert compact.checksum != accepted(note(a={"b": 1, "c": 3})).checksum


# Type


@pytest.mark.parametrize("name", ["enrichment", "processing"])
def test_an_event_cannot_bring_what_the_engine_adds(name: str) -> None:
    outcome = rejected(attempt(**{name: {}}))
    assert (outcome.code, outcome.pointer) == ("reserved_member", f"/{name}")


@pytest.mark.parametrize("data", [{}, {"event_type": None}, {"type": "attempt"}])
def test_an_event_names_its_type(data: JsonObject) -> None:
    outcome = rejected(data)
    assert (outcome.code, outcome.pointer) == ("missing_type", "/event_type")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("atempt", "did you mean `attempt`?"),
        ("xyz", "known here"),
        ("", "no declared event type"),
        (5, "`5`"),
        ({}, "an object"),
        (["attempt"], "an array"),
    ],
)
def test_a_type_that_is_not_declared_is_refused_with_the_nearest_one(name: object, words: str) -> None:
    outcome = rejected(note(event_type=name))
    assert (outcome.code, outcome.pointer) == ("unknown_type", "/event_type")
    assert words in outcome.message


def test_unknown_types_pass_without_identity_where_the_rules_say_so() -> None:
    plan = plan_with(replace(EVENTS, unknown_types="pass"))
    event = accepted(note(event_type="else", user_id="u1"), plan)
    assert (event.type, event.claim_key, event.ttl_ms, event.key) == ("else", None, 0, "u1")
    assert rejected(note(event_type=5), plan).code == "unknown_type"
    assert rejected(note(event_type=None), plan).code == "missing_type"


def test_type_and_time_may_stand_anywhere_in_the_event() -> None:
    plan = plan_with(replace(EVENTS, type=path("meta", "kind"), time=path("meta", "times", 1)))
    event = accepted({"meta": {"kind": "note", "times": [0, NOW_TEXT]}}, plan)
    assert (event.type, event.time_ms) == ("note", NOW_MS)


@pytest.mark.parametrize(
    "meta",
    [
        None,
        1,
        [],
        {"kind": "note"},
        {"kind": "note", "times": [0]},
        {"kind": "note", "times": {"1": NOW_MS}},
        {"times": [0, NOW_MS]},
    ],
)
def test_what_is_missing_is_named_by_its_place(meta: object) -> None:
    plan = plan_with(replace(EVENTS, type=path("meta", "kind"), time=path("meta", "times", 1)))
    _, submission = decode({"meta": meta}, plan=plan)
    outcome = submission.outcomes[0]
    assert outcome is not None
    assert (outcome.code, outcome.pointer) in [("missing_type", "/meta/kind"), ("missing_time", "/meta/times/1")]


# Time


def test_an_event_without_a_time_is_refused() -> None:
    outcome = rejected(attempt(timestamp=None))
    assert (outcome.code, outcome.pointer) == ("missing_time", "/timestamp")
    assert "RFC 3339" in outcome.message


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30T00:00:00Z", "2026-03-02", "", 1.5, True, [], {}, 10**17])
def test_what_is_not_a_time_is_refused(value: object) -> None:
    outcome = rejected(attempt(timestamp=value))
    assert (outcome.code, outcome.pointer) == ("bad_time", "/timestamp")


@pytest.mark.parametrize(
    ("off_ms", "code", "words"),
    [
        (300_000, None, ""),
        (300_001, "skew_future", "2026-03-02T09:05:00.001Z, 5m ahead of this service's clock; at most 5m"),
        (-30 * DAY_MS, None, ""),
        (-30 * DAY_MS - 1, "skew_past", "at most 30d is taken"),
        (-31 * DAY_MS - 7_200_000, "skew_past", "31d 2h behind this service's clock"),
    ],
)
def test_a_time_too_far_from_the_clock_is_refused_with_the_distance(off_ms: int, code: str | None, words: str) -> None:
    item = attempt(timestamp=NOW_MS + off_ms)
    if code is None:
        assert accepted(item).time_ms == NOW_MS + off_ms
    else:
        outcome = rejected(item)
        assert (outcome.code, outcome.pointer) == (code, "/timestamp")
        assert words in outcome.message


def test_either_side_of_the_skew_can_be_switched_off() -> None:
    open_past, open_future = replace(EVENTS, max_past_ms=None), replace(EVENTS, max_future_ms=None)
    assert accepted(note(timestamp=0), plan_with(open_past)).time_ms == 0
    assert rejected(note(timestamp="9999-12-31T23:59:59Z"), plan_with(open_past)).code == "skew_future"
    assert accepted(note(timestamp="9999-12-31T23:59:59Z"), plan_with(open_future)).time_ms > NOW_MS
    assert rejected(note(timestamp=0), plan_with(open_future)).code == "skew_past"


# Identity


@pytest.mark.parametrize(
    ("value", "identity"), [("a1", "a1"), (17, "17"), (-1, "-1"), ("a,b%", "a,b%"), ("x" * 512, "x" * 512), ("é", "é")]
)
def test_one_field_is_the_identity_as_it_is(value: object, identity: str) -> None:
    event = accepted(attempt(client_attempt_id=value))
    assert event.claim_key == f"attempt:{identity}"
    assert event.submission.ids == [identity]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing_claim_key"),
        ("", "missing_claim_key"),
        (True, "bad_claim_key"),
        (1.5, "bad_claim_key"),
        ([], "bad_claim_key"),
        ("x" * 513, "bad_claim_key"),
    ],
)
def test_an_event_that_cannot_be_told_from_its_copies_is_refused(value: object, code: str) -> None:
    outcome = rejected(attempt(client_attempt_id=value))
    assert (outcome.code, outcome.pointer) == (code, "/client_attempt_id")


@given(*(st.lists(st.text("a,%2C", min_size=1, max_size=4), min_size=2, max_size=2) for _ in range(2)))
def test_different_lists_of_fields_never_share_a_claim_key(one: list[str], other: list[str]) -> None:
    keys = {
        accepted({"event_type": "session", "timestamp": NOW_MS, "user_id": a, "context": {"sessions": [b]}}).claim_key
        for a, b in (one, other)
    }
    assert len(keys) == (1 if one == other else 2)


def test_a_missing_part_of_several_is_named() -> None:
    outcome = rejected({"event_type": "session", "timestamp": NOW_MS, "user_id": "u1", "context": {"sessions": []}})
    assert (outcome.code, outcome.pointer) == ("missing_claim_key", "/context/sessions/0")


def test_a_rejected_event_is_answered_with_its_id_where_it_has_one() -> None:
    _, submission = decode(attempt(score=2, client_attempt_id="a9"))
    assert submission.ids == ["a9"]


# Schema


@pytest.mark.parametrize(
    ("members", "pointer", "words"),
    [
        ({"score": 2}, "/score", "`score` is `2`; expected at most `1`"),
        ({"score": "high"}, "/score", "`score` is the string `high`; expected a number"),
        ({"score": None}, "/score", "no member `score`, which is required"),
        ({"context": {"device": "watch"}}, "/context/device", "expected one of `phone`, `tablet`"),
    ],
)
def test_what_the_schema_does_not_take_is_told_where_and_why(members: JsonObject, pointer: str, words: str) -> None:
    outcome = rejected(attempt(**members))
    assert (outcome.code, outcome.pointer) == ("schema", pointer)
    assert words in outcome.message


# Isolation


@given(st.lists(st.binary(max_size=40) | st.from_regex(rb'[\[\]{}",:0-9.eE+a-z\\ -]{0,40}', fullmatch=True), max_size=8))
def test_whatever_the_bytes_each_item_ends_once_or_is_an_event(items: list[bytes]) -> None:
    events, submission = decode(*items)
    ended = [index for index, outcome in enumerate(submission.outcomes) if outcome is not None]
    assert sorted([*ended, *(event.index for event in events)]) == list(range(len(items)))
    assert submission.pending == len(events)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text().filter(lambda name: name not in ("enrichment", "processing")), json_values, max_size=5))
def test_what_is_taken_is_kept_to_the_last_digit(members: JsonObject) -> None:
    data = {**members, **note()}
    assert accepted(orjson.dumps(data)).data == data


def test_a_bug_costs_one_event_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(data: JsonObject) -> object:
        if data.get("trap"):
            raise ZeroDivisionError
        return reader(path("timestamp"))(data)

    with caplog.at_level(logging.WARNING):
        outcome = rejected(attempt(trap=True), replace(PLAN, read_time=broken, members=("event_type", "", "user_id")))
    assert outcome.code == "internal_error"
    assert "ZeroDivisionError" in outcome.message
    assert "decoding: ZeroDivisionError" in caplog.text
