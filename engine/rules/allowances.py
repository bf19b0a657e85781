"""Comments that allow a warning: `# rulemill: allow W602 because the app always sends it`.

In: the texts of the rule files, and all findings. Out: the findings without those that are allowed, and what is wrong with such comments.
Rule of the file: a warning can be allowed, with a reason; an error cannot. A comment that has become useless is reported, so that it does not
hide the next mistake.

A comment at the end of a line is about that line; one on a line of its own is about the next line that has more than a comment.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from engine.rules.diagnostics import CODES, Finding, Findings, in_order, shown
from engine.rules.edits import Places
from engine.rules.loader import split_lines
from engine.rules.places import Span

_COMMENT: Final = re.compile(r"#\s*rulemill:\s*(?P<text>.*)")
_ALLOW: Final = re.compile(r"allow\b\s*(?P<codes>[A-Za-z0-9, ]*?)(?:\s+because\b(?P<reason>.*))?\s*", re.ASCII)
_FORM: Final = "write `# rulemill: allow W602 because …`"
_MAX_CHARS: Final = 500
_OWN: Final = ("W901", "W902", "W903")


@dataclass(frozen=True, slots=True)
class _Allowance:
    """One code that a comment allows on a line."""

    code: str
    line: int
    span: Span


def allow(sources: Mapping[str, str], findings: Iterable[Finding], *, complete: bool) -> list[Finding]:
    """The findings that are left, with those about the comments, by file, line and column.

    `complete` says that every warning was looked for: only then a comment can be known to be useless.
    """
    about = Findings()
    allowed: dict[tuple[str, int, str], _Allowance] = {}
    for file, text in sources.items():
        if "rulemill:" in text:
            allowed.update({(file, one.line, one.code): one for one in _allowances(file, text, about)})
    left: list[Finding] = []
    used: set[tuple[str, int, str]] = set()
    for finding in findings:
        place = (finding.span.file, finding.span.line, finding.code)
        if place in allowed:
            used.add(place)
        else:
            left.append(finding)
    for place, one in allowed.items():
        if complete and place not in used:
            about.add(
                "W903", f"there is no `{one.code}` here", one.span, help="remove the comment, or put it where the warning is"
            )
    return in_order([*left, *about.in_order()])


def _allowances(file: str, text: str, about: Findings) -> Iterator[_Allowance]:
    lines = split_lines(text)
    targets = _targets(lines)
    hidden = _scalars(file, text)
    places = Places(text)
    for number, line in enumerate(lines, 1):
        found = _COMMENT.search(line)
        if found is None or (found.start() and not line[found.start() - 1].isspace()):
            continue
        span = Span(file, number, found.start() + 1, number, len(line) + 1)
        start, _ = places.range(span)
        before = bisect_right(hidden, (start, start)) - 1
        if before >= 0 and start < hidden[before][1]:
            continue
        target = number if line[: found.start()].strip() else targets[number - 1]
        for code in _codes(found["text"][:_MAX_CHARS], span, about):
            yield _Allowance(code, target, span)


def _codes(text: str, span: Span, about: Findings) -> Iterator[str]:
    """The codes that can be allowed; what is wrong with the comment is a finding."""
    said = _ALLOW.fullmatch(text.rstrip())
    codes = said["codes"].replace(",", " ").split() if said else []
    if said is None or not codes:
        about.add("W902", f"`{shown(text)}` allows nothing", span, help=_FORM)
        return
    if not (said["reason"] or "").strip():
        about.add(
            "W901", f"no reason to allow {' '.join(codes)}", span, help=f"{_FORM}, with the reason in the place of the dots"
        )
        return
    for code in codes:
        if code not in CODES:
            about.add("W902", f"there is no code `{shown(code)}`", span, help="`validate-rules` names it beside each warning")
        elif not code.startswith("W") or code in _OWN:
            about.add("W902", f"`{code}` cannot be allowed", span, help="only warnings can: mend what it says")
        else:
            yield code


def _targets(lines: list[str]) -> list[int]:
    """For each line the number of the first one after it that has more than a comment, or 0."""
    targets = [0] * len(lines)
    after = 0
    for index in range(len(lines) - 1, -1, -1):
        targets[index] = after
        text = lines[index].lstrip()
        if text and not text.startswith("#"):
            after = index + 1
    return targets


def _scalars(file: str, text: str) -> list[tuple[int, int]]:
    """The offsets of all quoted and block texts, in order: what looks like a comment in them is none."""
    places = Places(text)
    found = []
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and event.style and event.start_mark and event.end_mark:
                start, end = event.start_mark, event.end_mark
                found.append(places.range(Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)))
    except yaml.YAMLError:
        return found
    return found
