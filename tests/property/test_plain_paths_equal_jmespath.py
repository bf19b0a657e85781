"""An expression that is a plain path finds what the JMESPath library finds, in whatever event."""

from string import ascii_lowercase

import jmespath
from hypothesis import given
from hypothesis import strategies as st

from engine.event import JsonObject
from engine.rules.expressions import compile_expression
from engine.rules.values import DERIVED, ENRICHMENT

NAMES = ("a", "b", "user", DERIVED, ENRICHMENT)
SOURCES = ("user",)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(ascii_lowercase, max_size=2)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3), max_leaves=8
)
EVENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
STEPS = st.sampled_from([*(f".{name}" for name in NAMES), "[0]", "[1]", "[-1]", "[-2]"])


def as_the_library_finds(text: str, event: JsonObject) -> object:
    """What stands at the path, with sources and `derived` in the place of the event's own members."""
    context = event.get(ENRICHMENT)
    own = {name: value for name, value in event.items() if name not in (*SOURCES, DERIVED)}
    contexts = {name: context[name] for name in (*SOURCES, DERIVED) if name in context} if isinstance(context, dict) else {}
    return jmespath.search(text, own | contexts)


@given(st.sampled_from(NAMES), st.lists(STEPS, max_size=4), EVENTS)
def test_a_plain_path_finds_what_the_library_finds(first: str, steps: list[str], event: JsonObject) -> None:
    text = first + "".join(steps)

    assert compile_expression(text, SOURCES)(event) == as_the_library_finds(text, event)


@given(st.sampled_from(["a[*].b", "a.[b]", "a | b", "length(a || `[]`)", "a[?b]", "user.a[0:1]", "@.a"]), EVENTS)
def test_whatever_is_more_than_a_path_is_the_library_s(text: str, event: JsonObject) -> None:
    try:
        expected = as_the_library_finds(text, event)
    except jmespath.exceptions.JMESPathError:
        return

    assert compile_expression(text, SOURCES)(event) == expected
