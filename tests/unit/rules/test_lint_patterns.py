"""What is said of patterns is so: what is offered in their place finds the same, and what is well written is left alone."""

import itertools

import pytest
import re2

from engine.rules.lint_patterns import half_anchored, loose_hosts, plain_test, without_idle_ends

TEXTS = tuple("".join(chars) for length in range(6) for chars in itertools.product("ab.\n", repeat=length))


def finds(pattern: str) -> list[str]:
    found = re2.compile(pattern)
    return [text for text in TEXTS if found.search(text)]


@pytest.mark.parametrize("pattern", [".*a", "a.*", ".*a.*", ".*?ab.*?", "(a).*", "^a.*"])
def test_a_pattern_without_its_idle_ends_finds_the_same(pattern: str) -> None:
    other = without_idle_ends(pattern)

    assert len(other) < len(pattern)
    assert finds(other) == finds(pattern)


@pytest.mark.parametrize("pattern", ["^.*a", "a.*$", "a\\.*", "[.*a", "a[.*]", "(?s).*a", ".*", "a|.*b", "\\Q.*a"])
def test_an_end_that_may_do_something_is_kept(pattern: str) -> None:
    assert without_idle_ends(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "expected"), [("a", "contains: a"), ("^ab", "starts_with: ab"), ("ab$", "ends_with: ab"), ("^a$", "eq: a")]
)
def test_plain_text_has_a_test_that_finds_the_same(pattern: str, expected: str) -> None:
    operator, _, part = expected.partition(": ")
    tests = {"contains": str.__contains__, "starts_with": str.startswith, "ends_with": str.endswith, "eq": str.__eq__}

    assert plain_test(pattern) == expected
    assert [text for text in TEXTS if tests[operator](text, part)] == finds(pattern)


@pytest.mark.parametrize("pattern", ["", "^", "$", "^$", "a.b", "a|b", "\\bbot", "a+", "[a]", "(a)"])
def test_syntax_is_not_plain_text(pattern: str) -> None:
    assert plain_test(pattern) is None


@pytest.mark.parametrize("pattern", ["^a|b$", "^a|x|b$", "^(?:a|c)|[|]b$"])
def test_anchors_of_one_alternative_each_are_seen(pattern: str) -> None:
    assert half_anchored(pattern)


@pytest.mark.parametrize(
    "pattern", ["^a|^b", "a$|b$", "^a$|b$", "^a|b\\$", "^(a|b)$", "^a[|]b$", "^a\\|b$", "(?:^a)|(?:b$)", "(?i)^a|b$"]
)
def test_anchors_that_are_meant_are_left_alone(pattern: str) -> None:
    assert not half_anchored(pattern)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("evil.com", ["evil.com"]),
        ("^https?://evil.com/", ["evil.com"]),
        ("mail\\.evil.org$", ["mail\\.evil.org"]),
        ("evil\\.com", []),
        ("evil.common", []),
        ("evil[.]com", []),
        ("a.*.com", []),
        (".com", []),
        ("\\w.com", []),
    ],
)
def test_a_dot_that_is_not_escaped_in_the_name_of_a_host_is_seen(pattern: str, hosts: list[str]) -> None:
    assert loose_hosts(pattern) == hosts
