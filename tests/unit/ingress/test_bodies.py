"""Bodies of requests: what is taken as how many items, and which bodies are refused as a whole."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingress.bodies import Items, read_items
from engine.ingress.problems import RequestRefused
from tests.unit.ingress.samples import PLAN


def items_of(body: bytes, content_type: str | None, max_events: int = 10) -> Items:
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return read_items(body, headers, PLAN, max_events)


def refusal(body: bytes, content_type: str | None = "application/json", max_events: int = 10) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        items_of(body, content_type, max_events)
    return caught.value


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        " ",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_a_body_is_json_unless_it_says_otherwise(content_type: str | None) -> None:
    assert list(items_of(b' {"a": 1} ', content_type, 10)) == [b' {"a": 1} ']
    assert items_of(b'[{"a": 1}, {"b": 2}]', content_type, 10) == [{"a": 1}, {"b": 2}]


def test_an_array_gives_an_item_for_each_element_whatever_it_is() -> None:
    assert items_of(b'[{"a": 1}, 3, null, [], "x"]', None, 10) == [{"a": 1}, 3, None, [], "x"]
    assert items_of(b" [ ] ", None, 10) == []


awkward = st.integers(0, 2**90) | st.text('{}[],"\\1é', max_size=5)
nested = st.recursive(
    awkward, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(awkward.map(str), inner, max_size=3), max_leaves=8
)


@given(st.lists(nested, max_size=4))
def test_an_array_with_long_digits_gives_the_bytes_of_each_element(values: list[object]) -> None:
    values = [*values, 2**70]
    items = items_of(json.dumps(values, indent=1).encode(), None, len(values))
    assert [json.loads(item) for item in items if isinstance(item, bytes)] == values


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"\n\r\n  \n", []),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{"a":1}\n', [b'{"a":1}']),
        (b'{"a":1}\n\n{"b":2}\n{', [b'{"a":1}', b'{"b":2}', b"{"]),
    ],
)
def test_ndjson_gives_an_item_for_each_line_that_is_not_blank(body: bytes, lines: list[bytes]) -> None:
    assert items_of(body, "application/x-ndjson", 10) == lines


def test_lines_may_end_with_a_carriage_return() -> None:
    items = items_of(b'{"a":1}\r\n{"b":2}\r\n', "application/x-ndjson; charset=utf-8", 10)
    assert [orjson.loads(item) for item in items if isinstance(item, bytes)] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "nothing was sent"),
        (b'[{"a": 1}, {"b": ', "line 1, column 18; the text is cut short"),
        (b'[{"a": 1},\n{"b" 2}]', "at line 2, column 6"),
        (b'{"a": 1}\n{"b": 2}', "one a line as `application/x-ndjson`"),
        (b"\xff", "not UTF-8"),
        (b"[" * 5_000, "depth"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(body: bytes, words: str) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, "invalid_json")
    assert words in error.detail


@pytest.mark.parametrize("body", [b"3", b'"x"', b"null", b"true"])
def test_a_body_that_is_a_single_scalar_is_refused(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, "not_an_event")


def test_events_are_taken_up_to_the_limit_and_no_further() -> None:
    assert len(items_of(orjson.dumps([{}] * 10), None, 10)) == 10
    for body, content_type in ((orjson.dumps([{}] * 11), None), (b"{}\n" * 11, "application/x-ndjson")):
        error = refusal(body, content_type)
        assert (error.status, error.code) == (413, "too_many_events")
        assert "11 events; at most 10" in error.detail


@pytest.mark.parametrize(
    ("content_type", "code", "words"),
    [
        (
            "text/plain",
            "unsupported_content_type",
            "`text/plain` is not taken; send one of `application/json`, `application/x-ndjson`",
        ),
        ("application/x-www-form-urlencoded", "unsupported_content_type", "send one of"),
        ("x" * 5_000, "unsupported_content_type", "send one of"),
        ("application/json; charset=latin-1", "unsupported_charset", "`latin-1` is not taken; send UTF-8"),
    ],
)
def test_another_content_type_is_refused_with_those_that_are_taken(content_type: str, code: str, words: str) -> None:
    error = refusal(b"{}", content_type)
    assert (error.status, error.code) == (415, code)
    assert words in error.detail
    assert len(error.detail) < 250
