"""Tests of one string against many, prepared once and remembered per value.

In: patterns, texts or networks of a rule. Out: a dict of answers that fills itself. Rule of the file: the memory is
bounded, whatever the values are.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Generic, TypeVar

import re2

from engine.rules.values import fold, read_address

MAX_REMEMBERED: Final = 10_000
MAX_REMEMBERED_CHARS: Final = 512

_QUOTE: Final = "\\Q"
Answer = TypeVar("Answer")


class TextMemory:
    """What the tests of one plan remember; each of them at most `max_texts` answers. Whoever uses the plan may set another bound."""

    def __init__(self) -> None:
        self.max_texts = MAX_REMEMBERED
        self._tests: list[Mapping[str, object]] = []

    def __len__(self) -> int:
        """Answers that are remembered, of all tests."""
        return sum(map(len, self._tests))

    @property
    def most(self) -> int:
        """How many answers all tests may remember."""
        return len(self._tests) * self.max_texts

    def remembered(self, test: Callable[[str], Answer]) -> "Remembered[Answer]":
        """A memory for one more test."""
        memory = Remembered(test, self)
        self._tests.append(memory)
        return memory


class Remembered(dict[str, Answer], Generic[Answer]):
    """The answers of a test of strings: `remembered[text]` asks `test` the first time, and then knows.

    It forgets everything when it holds as many answers as `memory` lets it, and keeps none for texts over MAX_REMEMBERED_CHARS.
    """

    __slots__ = ("_memory", "_test")

    def __init__(self, test: Callable[[str], Answer], memory: TextMemory) -> None:
        super().__init__()
        self._test = test
        self._memory = memory

    def __missing__(self, text: str) -> Answer:
        answer = self._test(text)
        if len(text) <= MAX_REMEMBERED_CHARS:
            if len(self) >= self._memory.max_texts:
                self.clear()
            self[text] = answer
        return answer


@lru_cache(maxsize=10_000)
def searcher(pattern: str, *, ignore_case: bool) -> Callable[[str], object]:
    """A function that finds `pattern`, in RE2's syntax, anywhere in a text: something true, or None.

    Raises re2.error where it is not a pattern, and the function raises UnicodeEncodeError on half a character.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    search: Callable[[str], object] = re2.compile(pattern, options).search
    return search


def matches_any(patterns: Sequence[str], *, ignore_case: bool) -> Callable[[str], bool]:
    """A test whether one of the patterns is found; raises re2.error where one is not a pattern."""
    searchers = _joined(patterns, ignore_case=ignore_case) if patterns else []
    return lambda text: any(search(text) for search in searchers)


def _joined(patterns: Sequence[str], *, ignore_case: bool) -> list[Callable[[str], object]]:
    r"""The patterns as few alternations: one, unless it is too large or an open quotation (`\\Q`) would swallow the rest."""
    if len(patterns) == 1:
        return [searcher(patterns[0], ignore_case=ignore_case)]
    if not any(_QUOTE in pattern for pattern in patterns):
        try:
            return [searcher("|".join(f"(?:{pattern})" for pattern in patterns), ignore_case=ignore_case)]
        except re2.error:
            pass  # too large for one program, or one of them is at fault and will say so alone
    half = len(patterns) // 2
    return [*_joined(patterns[:half], ignore_case=ignore_case), *_joined(patterns[half:], ignore_case=ignore_case)]


def contains_any(texts: Sequence[str], *, ignore_case: bool) -> Callable[[str], bool]:
    """A test whether one of the texts is part of a text."""
    if not ignore_case:
        return lambda text: any(part in text for part in texts)
    folded = [fold(text) for text in texts]
    return lambda text: any(part in whole for whole in (fold(text),) for part in folded)


def contains_all(texts: Sequence[str], *, ignore_case: bool) -> Callable[[str], bool]:
    """A test whether each of the texts is part of a text."""
    if not ignore_case:
        return lambda text: all(part in text for part in texts)
    folded = [fold(text) for text in texts]
    return lambda text: all(part in whole for whole in (fold(text),) for part in folded)


def in_networks(networks: Sequence[str]) -> Callable[[str], bool | None]:
    """A test whether a text is an address in one of the networks; None where it is no address.

    Raises ValueError where one of `networks` is no network.
    """
    known = [ipaddress.ip_network(network, strict=False) for network in networks]

    def test(text: str) -> bool | None:
        address = read_address(text)
        return None if address is None else any(address in network for network in known)

    return test
