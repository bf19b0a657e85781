"""A rewrite finds something in the same texts as the pattern does, by the word of an engine that takes both."""

import itertools
import re

import pytest
import re2

from engine.rules.pattern_rewrites import rewritten

TEXTS = tuple("".join(chars) for length in range(7) for chars in itertools.product("ab\"'", repeat=length))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a(?=b)", "a(?:b)"),
        ("a|b(?=[a)]b)", "a|b(?:[a)]b)"),
        ("(?<=a)b", "(?:a)b"),
        ("(?<=a|')b", "(?:a|')b"),
        ("([\"'])a\\1", "\"a(?:\")|'a(?:')"),
        ("^a(a|ab)b\\1$", "^aab(?:a)$|^aabb(?:ab)$"),
        ("([ab])\\1+'", "a(?:a)+'|b(?:b)+'"),
    ],
)
def test_a_rewrite_is_found_where_the_pattern_is(pattern: str, expected: str) -> None:
    other = rewritten(pattern)

    assert other == expected
    found = re2.compile(other)
    assert [text for text in TEXTS if bool(re.search(pattern, text)) is not bool(found.search(text))] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=b)a",
        "(a(?=b))",
        "a(?!b)",
        "(?<!a)b",
        "a(?<=a)b",
        "(a+)\\1",
        "([ab])+\\1",
        "([ab])\\10",
        "([^ab])\\1",
        "(a|b)(a)\\1",
        "a|([ab])\\1",
        "([a-z])\\1",
        "[(?=](b)\\1|",
        "(?>a)b",
    ],
)
def test_what_has_no_simple_form_is_not_rewritten(pattern: str) -> None:
    assert rewritten(pattern) is None
