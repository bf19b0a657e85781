"""The loader: YAML 1.2 core, bounded, with places."""

import pytest

from engine.rules.diagnostics import Findings
from engine.rules.loader import MAX_FILE_BYTES, load_yaml
from engine.rules.nodes import MapNode, plain_value


def load(text: str | bytes) -> object:
    """The plain value of a text without findings."""
    findings = Findings()
    node = load_yaml("f.yaml", text if isinstance(text, bytes) else text.encode(), findings)
    assert findings.in_order() == []
    assert node is not None
    return plain_value(node)


def codes(text: str | bytes) -> list[tuple[str, int, int]]:
    """The findings of a text: code, line and column."""
    findings = Findings()
    load_yaml("f.yaml", text if isinstance(text, bytes) else text.encode(), findings)
    return [(found.code, found.span.line, found.span.col) for found in findings.in_order()]


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "on",
        "Yes",
        "12:30",
        "017",
        "-08",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "1_000",
        "0b11",
        "=",
        "1.2.3",
        "0x",
        "nan",
        "+",
    ],
)
def test_what_yaml_1_1_would_convert_is_text(text: str) -> None:
    assert load(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        (".5", 0.5),
        ("1.", 1.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("-0.0", 0.0),
        ("18446744073709551615", 2**64 - 1),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'~'", "~"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    loaded = load(text)

    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize("text", ["18446744073709551616", "-9223372036854775809", "1e999", ".inf", "-.INF", ".nan", "9" * 5000])
def test_a_number_that_json_cannot_hold_is_found(text: str) -> None:
    assert codes(f"a: {text}") == [("E110", 1, 4)]


def test_comments_alone_are_null() -> None:
    assert load("# nothing\n") is None


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert load(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_places_count_characters_not_bytes() -> None:
    findings = Findings()
    node = load_yaml("f.yaml", "ä: ö\nü: {é: x}\n".encode(), findings)

    assert isinstance(node, MapNode)
    inner = node.entries[1].value
    assert isinstance(inner, MapNode)
    assert (inner.entries[0].value.span.line, inner.entries[0].value.span.col) == (2, 8)
    assert node.span.end_line == 2


def test_the_first_of_two_keys_counts_and_the_second_is_found() -> None:
    findings = Findings()
    node = load_yaml("f.yaml", b"a: 1\nb: 2\na: 3\n", findings)

    assert node is not None
    assert plain_value(node) == {"a": 1, "b": 2}
    (found,) = findings.in_order()
    assert (found.code, found.span.line, found.related[0].span.line) == ("E103", 3, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<: {a: 1}", ("E106", 1, 1)),
        ("1: a", ("E108", 1, 1)),
        ("null: a", ("E108", 1, 1)),
        ("? [a]\n: b", ("E108", 1, 3)),
        ("a: !!str 1", ("E105", 1, 4)),
        ("!x {}", ("E105", 1, 1)),
        ("a: 1\n---\nb: 2", ("E107", 2, 1)),
        ("a: *x", ("E104", 1, 4)),
        ("a: &x [*x]", ("E104", 1, 8)),
        ("a: &x b\n*x : c", ("E108", 2, 1)),
        ("a: [1, 2", ("E102", 1, 4)),
        ("a: @b", ("E102", 1, 4)),
        ("a:\n\tb: 1", ("E102", 2, 1)),
        (b"a: \xc3\xa4\nb: \xff", ("E101", 2, 4)),
        (b"a: \x1b[31m", ("E101", 1, 4)),
        ("a: " + "[" * 60 + "]" * 60, ("E109", 1, 53)),
        ("[" * 500_000, ("E109", 1, 51)),
    ],
)
def test_what_is_not_plain_yaml_is_found_where_it_stands(text: str | bytes, expected: tuple[str, int, int]) -> None:
    assert codes(text) == [expected]


def test_a_file_beyond_the_limit_is_refused_unread() -> None:
    assert codes(b"#" * (MAX_FILE_BYTES + 1)) == [("E109", 1, 1)]
    assert codes(b"#" * MAX_FILE_BYTES) == []


def test_aliases_repeat_a_value_within_a_bound() -> None:
    assert load("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}

    doubling = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    assert [code for code, _, _ in codes(doubling)] == ["E104"]


def test_a_tab_inside_a_value_is_fine() -> None:
    assert load("a: 'b\tc'") == {"a": "b\tc"}
