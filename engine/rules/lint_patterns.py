r"""Warnings about regular expressions that RE2 takes: parts that do nothing, anchors that do not reach, dots that match too much.

In: a ruleset without errors, and the lists as written. Out: findings. Rule of the file: what is said of a pattern is so for every text; whoever
means it can write it in a way that nobody reads wrongly, and is told how.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.rules.diagnostics import Findings, shown
from engine.rules.model import Test
from engine.rules.nodes import ListNode, ScalarNode
from engine.rules.parser import Written
from engine.rules.pattern_marks import marks
from engine.rules.places import Span
from engine.rules.uses import conditions_of, leaves, lists_of

_SPECIAL: Final = frozenset(r"\.+*?()[]{}|^$")
_SLASHED: Final = re.compile(r"/(\^.*|.*(?<!\\)\$)/[a-z]*")
_IDLE_START: Final = re.compile(r"\.\*\??(?=.)")
_IDLE_END: Final = re.compile(r"(?<=.)(?<!\\)\.\*\??$")
_PLAIN_DOT: Final = re.compile(
    r"(?<![\\\w.*+?)\]}-])((?:www\.)?[A-Za-z0-9][A-Za-z0-9-]+(?:\\?\.[A-Za-z0-9-]+)*?)\.(com|org|net|edu|gov|io|app|dev|info|biz)(?=$|[$/:)|]|\\b|\\/)"
)


class PatternDoubt(NamedTuple):
    """A code, what is so, and what to write."""

    code: str
    message: str
    help: str


def lint_patterns(written: Written, findings: Findings) -> None:
    """Warn of patterns in conditions, and in the lists that conditions match with."""
    nodes = {entry.key: entry.value for entry in written.lists}
    used: dict[str, bool] = {}
    for owner in conditions_of(written.ruleset):
        with findings.about(owner.rule_id):
            for leaf in leaves(owner.condition):
                if isinstance(leaf.item, Test) and leaf.item.operator in {"matches", "matches_any"}:
                    _add(leaf.item, findings)
        for reference, operator in lists_of(owner.condition):
            if operator == "matches_any":
                used[reference.name] = True
    for name in used:
        node = nodes.get(name)
        with findings.about(f"lists.{name}"):
            for item in node.items if isinstance(node, ListNode) else ():
                if isinstance(item, ScalarNode):
                    _add_all(item.text, item.span, findings, alone=False)


def _add(test: Test, findings: Findings) -> None:
    patterns = test.value if isinstance(test.value, tuple) else (test.value,)
    for pattern in patterns:
        if isinstance(pattern, str):
            _add_all(pattern, test.span, findings, alone=test.operator == "matches" and not test.ignore_case)


def _add_all(pattern: str, span: Span, findings: Findings, *, alone: bool) -> None:
    for doubt in pattern_doubts(pattern, alone=alone):
        findings.add(doubt.code, doubt.message, span, help=doubt.help)


def pattern_doubts(pattern: str, *, alone: bool) -> Iterator[PatternDoubt]:
    """What is odd about a pattern. `alone` says that it is the only one, and that case counts: then plain text has a test of its own."""
    plain = plain_test(pattern) if alone else None
    if plain is not None:
        yield PatternDoubt(
            "W618", f"`{shown(pattern)}` is plain text", f"write `{shown(plain)}`: it finds the same, and is cheaper"
        )
    if (slashed := _SLASHED.fullmatch(pattern)) and "|" not in pattern:
        message = f"`{shown(pattern)}` finds nothing: a `^` or `$` stands inside of its slashes"
        yield PatternDoubt(
            "W603", message, f"a pattern has no slashes around it: `{slashed[1]}`, and `ignore_case: true` for `/i`"
        )
        return
    idle = without_idle_ends(pattern)
    if idle != pattern:
        yield PatternDoubt(
            "W619", f"`.*` at an end of `{shown(pattern)}` changes nothing", f"a pattern is found anywhere: `{idle}`"
        )
    if half_anchored(pattern):
        message = f"`^` and `$` in `{shown(pattern)}` each tie one alternative only"
        help = f"for the whole text write `^(?:{pattern[1:-1]})$`; if it is meant, put each alternative in `(?:…)`"
        yield PatternDoubt("W620", message, help)
    for host in loose_hosts(pattern):
        message = f"the `.` before `{host.rpartition('.')[2]}` in `{shown(pattern)}` matches any character"
        escaped = host.replace("\\.", ".").replace(".", "\\.")
        yield PatternDoubt("W621", message, f"write `{escaped}`")


def plain_test(pattern: str) -> str | None:
    """The test that finds what a pattern without any syntax finds, or None."""
    start, end = pattern.startswith("^"), pattern.endswith("$")
    text = pattern[1 if start else 0 : -1 if end else None]
    if not text or _SPECIAL & set(text):
        return None
    operator = "eq" if start and end else "starts_with" if start else "ends_with" if end else "contains"
    return f"{operator}: {text}"


def without_idle_ends(pattern: str) -> str:
    """The pattern without a `.*` at its ends, where there is no alternative that it could belong to."""
    if "|" in pattern or "\\Q" in pattern or "(?" in pattern or "[" in pattern:
        return pattern
    start = _IDLE_START.match(pattern)
    rest = pattern[start.end() :] if start else pattern
    end = _IDLE_END.search(rest)
    rest = rest[: end.start()] if end else rest
    return rest if rest and rest[0] not in "*+?{" else pattern


def half_anchored(pattern: str) -> bool:
    """Whether `^` opens the first alternative only, and `$` closes the last only."""
    parts = _alternatives(pattern)
    if parts is None or len(parts) < 2 or not parts[0].startswith("^") or not _ends_anchored(parts[-1]):
        return False
    return not any(_ends_anchored(part) for part in parts[:-1]) and not any(part.startswith("^") for part in parts[1:])


def _ends_anchored(part: str) -> bool:
    return part.endswith("$") and not part.endswith("\\$")


def _alternatives(pattern: str) -> list[str] | None:
    """The alternatives at the top of a pattern; None for one with syntax that is not followed."""
    if "\\Q" in pattern or "(?" in pattern.replace("(?:", ""):
        return None
    parts, depth, start = [], 0, 0
    for at, char in marks(pattern):
        if char == "|" and depth == 0:
            parts.append(pattern[start:at])
            start = at + 1
        depth += (char == "(") - (char == ")")
    return [*parts, pattern[start:]]


def loose_hosts(pattern: str) -> list[str]:
    """Names of hosts whose last dot is not escaped."""
    return [match[0] for match in _PLAIN_DOT.finditer(pattern)]
