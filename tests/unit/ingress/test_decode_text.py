"""What is not JSON, and what is too much of it: each is refused with the place and what to do."""

import orjson
import pytest

from engine.event import REJECTED, JsonObject
from tests.unit.ingress.samples import (
    MAX_EVENT_BYTES,
    accepted,
    decode,
    note,
    rejected,
)


def nested(levels: int, *, arrays: bool = True) -> object:
    inner: object = 1
    for _ in range(levels):
        inner = [inner] if arrays else {"a": inner}
    return inner


# What is not JSON


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "nothing was sent"),
        (b"  \t ", "nothing was sent"),
        (b"{", "unexpected end of data at line 1, column 2; the text is cut short"),
        (b'{"event_type": "attempt", "user', "cut short"),
        (b"{'a': 1}", "near `{'a': 1}`; names and strings stand in double quotes"),
        (b'{"a": 1,}', "remove the comma"),
        (b'{"a": NaN}', 'column 7, near `{"a": NaN}`; JSON has no such number'),
        (b'{"a": Infinity}', "JSON has no such number"),
        (b'{"a": -Infinity}', "JSON has no such number"),
        (b'{"a": None}', "JSON writes `true`, `false` and `null`"),
        (b'{"a": tru}', 'near `{"a": tru}`'),
        (b'{"a": 01}', "remove the zero"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "the largest number is about 1.8e308"),
        (b'{"a": 1e400}', "the largest number is about 1.8e308"),
        (b'{"a": "x\ny"}', "write control characters as escapes"),
        (b'{"a": "\x00"}', "write control characters as escapes"),
        (b'{"a": "\\ud800"}', "one of a pair"),
        (b'{"a": "\\udc00\\ud800"}', "one of a pair"),
        (b'{"a": "\\x41"}', "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON: UTF-8 byte order mark"),
        (b'\xef\xbb\xbf{"a": 1}', "without the byte order mark"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8: byte 0xed at byte 7"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8: byte 0xe9 at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8: byte 0xff at byte 0"),
        (b'{"a": 1} {"b": 2}', "one a line"),
        (b'!!{"a": 1}', "at line 1, column 1"),
        (b'{"a": 1, // why\n"b": 2}', "JSON has no comments"),
        (b'{\n"a": 1\n"b": 2}', "at line 3, column 1"),
        ('{"é": tru}'.encode(), "column 7"),
        (b"<html>", "not JSON"),
    ],
)
def test_what_is_not_json_is_told_where_and_what_to_do(raw: bytes, words: str) -> None:
    outcome = rejected(raw)
    assert (outcome.status, outcome.code) == (REJECTED, "invalid_json")
    assert words in outcome.message
    assert len(outcome.message) < 200
    assert outcome.message.isprintable()


@pytest.mark.parametrize(
    ("raw", "words"), [(b"[]", "an array"), (b"null", "`null`"), (b"3", "`3`"), (b'"x"', "the string `x`"), (b"true", "`true`")]
)
def test_json_of_another_kind_is_no_event(raw: bytes, words: str) -> None:
    outcome = rejected(raw)
    assert outcome.code == "not_an_object"
    assert outcome.message == f"{words} is not an event; send an object"


# Bounds


@pytest.mark.parametrize("digits", ["18446744073709551616", "-9223372036854775809", "1" * 30, "-" + "9" * 300])
def test_an_integer_beyond_64_bits_is_refused_before_it_loses_digits(digits: str) -> None:
    outcome = rejected(orjson.dumps(note(**{"a/b": ["x", 0]})).replace(b"0]", digits.encode() + b"]"))
    assert (outcome.code, outcome.pointer) == ("number_range", "/a~1b/1")
    assert digits[:40] in outcome.message
    assert "send it as a string" in outcome.message


@pytest.mark.parametrize(
    "number", [b"18446744073709551615", b"-9223372036854775808", b"1e30", b"123456789012345678901234567890.0"]
)
def test_a_number_that_fits_is_taken_as_it_is(number: bytes) -> None:
    raw = orjson.dumps(note(n=0)).replace(b'"n":0', b'"n":' + number)
    assert accepted(raw).data["n"] == orjson.loads(number)


def test_long_digits_in_a_string_are_no_number() -> None:
    assert accepted(orjson.dumps(note(n="9" * 50, note='"' + "8" * 30))).data["n"] == "9" * 50


def test_a_large_integer_far_into_a_large_submission_is_found() -> None:
    items = [orjson.dumps(note(n=index, text="x" * 900)) for index in range(300)]
    items[217] = items[217].replace(b'"n":217', b'"n":99999999999999999999')
    _, submission = decode(*items)
    assert [index for index, outcome in enumerate(submission.outcomes) if outcome] == [217]


@pytest.mark.parametrize("limit", [8, 64, 254])
def test_depth_is_taken_up_to_the_limit_and_no_further(limit: int) -> None:
    fits, too_deep = note(a=nested(limit - 1)), note(a=nested(limit))
    events, submission = decode(
        orjson.dumps(fits), b'{"event_type":"note","timestamp":0,"a":' + b"[" * limit + b"]" * limit + b"}", max_depth=limit
    )
    assert [event.index for event in events] == [0]
    outcome = submission.outcomes[1]
    assert outcome is not None
    assert outcome.code == "too_deep"
    assert f"more than {limit} levels" in outcome.message
    assert decode(too_deep, max_depth=limit)[0] == []


def test_objects_are_depth_as_arrays_are() -> None:
    fits, too_deep = nested(64, arrays=False), nested(65, arrays=False)
    assert isinstance(fits, dict)
    assert isinstance(too_deep, dict)

    assert accepted(note(a=fits["a"])).data["a"] == fits["a"]
    assert rejected(note(a=too_deep["a"])).code == "too_deep"


@pytest.mark.parametrize("levels", [300, 1_000, 1_024, 2_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_bottomless_event_harms_nobody(levels: int, opening: bytes, closing: bytes) -> None:
    assert rejected(b'{"a":' + opening * levels + b"0" + closing * levels + b"}").code == "too_deep"


def test_brackets_in_strings_and_many_shallow_containers_are_not_depth() -> None:
    assert accepted(note(a="[" * 500, b=[[] for _ in range(500)])).type == "note"


def test_size_is_taken_up_to_the_limit_and_no_further() -> None:
    def with_text(chars: int) -> JsonObject:
        return note(text="x" * chars)

    rest = len(orjson.dumps(with_text(0)))
    assert accepted(with_text(MAX_EVENT_BYTES - rest)).type == "note"
    for item in (with_text(MAX_EVENT_BYTES - rest + 1), orjson.dumps(with_text(MAX_EVENT_BYTES - rest + 1))):
        outcome = rejected(item)
        assert (outcome.code, outcome.message) == (
            "too_large",
            f"the event has {MAX_EVENT_BYTES + 1} bytes; at most {MAX_EVENT_BYTES} are taken",
        )
