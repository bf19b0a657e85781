"""What stands on a line of a recording."""

import json

import pytest

from engine.replays.items import read_items

PROCESSING = {"id": "a", "ruleset": "x", "marks": []}
LETTER = {"time": "2026-03-02T09:00:00.000Z", "stage": "decode", "code": "schema", "reason": "r", "ruleset": "x", "id": None}


def test_a_record_is_the_event_without_what_the_engine_added() -> None:
    (item,) = read_items([(7, json.dumps({"a": 1, "enrichment": {"status": {}}, "processing": PROCESSING}).encode())])

    assert item == (7, {"a": 1}, None, "record", {"status": {}})


@pytest.mark.parametrize(
    "line",
    [
        {"a": 1, "processing": PROCESSING},
        {"a": 1, "enrichment": {}, "processing": {"step": 3}},
        {"a": 1, "enrichment": 5, "processing": PROCESSING},
        {**LETTER},
        {**LETTER, "raw": 5},
    ],
)
def test_an_event_that_only_looks_like_a_record_or_a_letter_is_left_as_it_is(line: object) -> None:
    (item,) = read_items([(1, json.dumps(line).encode())])

    assert (item.kind, item.data) == ("event", line)


def test_a_dead_letter_is_the_event_as_it_came_in_also_where_that_is_no_event() -> None:
    letters = [{**LETTER, "raw": '{"a": 1}'}, {**LETTER, "raw_hex": b"\xff".hex()}, {**LETTER, "raw": "[1]"}]
    items = read_items(list(enumerate((json.dumps(letter).encode() for letter in letters), 1)))

    assert [(item.kind, item.data, item.raw) for item in items] == [
        ("dead_letter", {"a": 1}, None),
        ("dead_letter", None, b"\xff"),
        ("dead_letter", None, b"[1]"),
    ]


def test_an_event_with_long_digits_goes_on_as_its_bytes_for_only_they_have_all_of_them() -> None:
    lines = [b'{"n": 123456789012345678901234567890}', b'{"n": 1}', b"{"]
    first, second, third = read_items(list(enumerate(lines, 1)))

    assert (first.copy(), second.copy(), third.copy()) == (lines[0], {"n": 1}, lines[2])


def test_a_copy_takes_members_that_the_item_does_not_get() -> None:
    (item,) = read_items([(1, b'{"n": 1}')])
    copied = item.copy()
    assert isinstance(copied, dict)
    copied["enrichment"] = {}

    assert item.data == {"n": 1}
