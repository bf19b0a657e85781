r"""Regular expressions that RE2 does not take, written so that it does.

In: a pattern with lookaround or a backreference. Out: a pattern of RE2 that finds something in exactly the same texts, or None. Rule of the
file: only whether something is found counts, since that is all that `matches` asks; a form that is not followed has no rewrite.
"""

import re
from collections.abc import Iterator
from typing import Final

import re2

from engine.rules.pattern_marks import marks

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_MAX_CHOICES: Final = 8
_CHOICE: Final = re.compile(r"(?<!\\)\((?:\[([^\]\\^-]+)\]|([\w |-]+))\)(?![*+?{])")
_REFERENCE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\1(?![0-9])")


def rewritten(pattern: str) -> str | None:
    """A pattern of RE2 that is found where this one is, or None where there is none of a simple form."""
    for made in (_without_lookahead(pattern), _without_lookbehind(pattern), _without_reference(pattern)):
        if made is not None and _is_taken(made):
            return made
    return None


def _is_taken(pattern: str) -> bool:
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error:
        return False
    return True


def _without_lookahead(pattern: str) -> str | None:
    """At the very end, what must follow may as well be part of what is found."""
    start = pattern.rfind("(?=")
    if start < 0 or _closing(pattern, start) != len(pattern) - 1 or _depth(pattern[:start]) != 0:
        return None
    return f"{pattern[:start]}(?:{pattern[start + 3 :]}"


def _without_lookbehind(pattern: str) -> str | None:
    """At the very beginning, what must stand before may as well be part of what is found."""
    return f"(?:{pattern[4:]}" if pattern.startswith("(?<=") else None


def _without_reference(pattern: str) -> str | None:
    r"""A group of few texts, of which `\1` is the same one again: one alternative for each."""
    group = _CHOICE.search(pattern)
    others = pattern.count("(") - pattern.count("(?:") - pattern.count("\\(")
    if group is None or others != 1 or not _REFERENCE.search(pattern, group.end()) or _depth(pattern[: group.start()]) != 0:
        return None
    if "|" in pattern[: group.start()] + pattern[group.end() :] or "\\Q" in pattern:
        return None
    choices = list(group[1]) if group[1] else group[2].split("|")
    if len(choices) > _MAX_CHOICES:
        return None
    before, after = pattern[: group.start()], pattern[group.end() :]
    return "|".join(_with_choice(before, after, re.escape(choice)) for choice in choices)


def _with_choice(before: str, after: str, choice: str) -> str:
    return before + choice + _REFERENCE.sub(lambda found: f"{found[1]}(?:{choice})", after)


def _tokens(pattern: str) -> Iterator[tuple[int, str]]:
    """The brackets of groups."""
    return ((at, char) for at, char in marks(pattern) if char in "()")


def _depth(pattern: str) -> int:
    return sum(1 if char == "(" else -1 for _, char in _tokens(pattern))


def _closing(pattern: str, start: int) -> int:
    """Where the group that opens at `start` closes; -1 where that is no opening of a group."""
    depth = 0
    for at, char in _tokens(pattern):
        if at < start:
            continue
        depth += 1 if char == "(" else -1
        if depth == 0:
            return at
    return -1
