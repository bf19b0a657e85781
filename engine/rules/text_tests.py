"""Tests of text, tried on a text that is known.

In: a leaf that tests text. Out: whether a text passes. Rule of the file: the answer is the interpreter's for that text; what cannot be tried is
unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from engine.rules import matching
from engine.rules.normalise import Leaf
from engine.rules.values import fold

Found = bool | None | Literal["unknown"]

_FORMS: Final = {
    "contains": "contains_any",
    "starts_with": "starts_with_any",
    "ends_with": "ends_with_any",
    "matches": "matches_any",
}
_TESTS: Final = frozenset((*_FORMS, *_FORMS.values(), "contains_all", "in_cidr"))


@dataclass(frozen=True, slots=True)
class TextTest:
    """A test in the form that takes many values; `of` is None for a text of the wrong kind."""

    kind: str
    operand: tuple[str, ...]
    ignore_case: bool
    of: Callable[[str], Found]


def is_text_test(operator: str) -> bool:
    """Whether the operator, of normal forms, tests text with constants."""
    return operator in _TESTS


def text_test(leaf: Leaf) -> TextTest:
    """The test of a leaf whose operand are constants; its negation is the caller's."""
    kind = _FORMS.get(leaf.operator, leaf.operator)
    operand = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    texts = tuple(str(value) for value in operand)
    return TextTest(kind, texts, leaf.ignore_case, _guarded(_test(kind, texts, ignore_case=leaf.ignore_case)))


def _test(kind: str, texts: tuple[str, ...], *, ignore_case: bool) -> Callable[[str], bool | None]:
    match kind:
        case "in_cidr":
            return matching.in_networks(texts)
        case "matches_any":
            return matching.matches_any(texts, ignore_case=ignore_case)
        case "contains_any":
            return matching.contains_any(texts, ignore_case=ignore_case)
        case "contains_all":
            return matching.contains_all(texts, ignore_case=ignore_case)
    parts = tuple(fold(text) for text in texts) if ignore_case else texts
    method = str.startswith if kind == "starts_with_any" else str.endswith
    return lambda text: method(fold(text) if ignore_case else text, parts)


def _guarded(test: Callable[[str], bool | None]) -> Callable[[str], Found]:
    def of(text: str) -> Found:
        try:
            return test(text)
        except UnicodeEncodeError:  # half a character, which RE2 does not take
            return "unknown"

    return of
