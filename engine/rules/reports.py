"""Findings as text: for people, for grep, for programs.

In: findings in order, and the texts of the files. Out: one string, ending with a line break. Rule of the file: one function a form, all with one
signature; `FORMS` names them. The forms of other tools are in `machine_reports.py`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.rules.diagnostics import Finding
from engine.rules.loader import split_lines
from engine.rules.machine_reports import github, junit, sarif
from engine.rules.places import Span
from engine.rules.report_lines import concise_line, place, total
from engine.rules.snippets import snippet

JSON_VERSION: Final = 1
MOST_SHOWN: Final = 200
"""How many findings are shown with their lines, where nothing else is said."""

_EXCERPT_COLUMNS: Final = 120

_RED: Final = "\x1b[1;31m"
_YELLOW: Final = "\x1b[1;33m"
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Style:
    """How a report for people looks. Of more findings than `most`, errors are shown first, and the rest is counted.

    `width` is in columns.
    """

    colour: bool = False
    width: int = 160
    most: int = MOST_SHOWN


def human(findings: Sequence[Finding], sources: Mapping[str, str], style: Style = Style()) -> str:
    """Each finding with the line it stands on, what to do, and a count at the end."""
    shown = _most(findings, style.most)
    files = {file for finding in shown for file in (finding.span.file, *(related.span.file for related in finding.related))}
    lines = {file: split_lines(text) for file, text in sources.items() if file in files}
    blocks = [_block(finding, lines, style) for finding in shown]
    return "\n".join([*blocks, *_left_out(findings, shown), f"{total(findings, sources)}\n"])


def concise(findings: Sequence[Finding], sources: Mapping[str, str], style: Style = Style()) -> str:
    """One line each: `file:line:col: error E301 message`, with what to do in brackets; and a count at the end."""
    shown = _most(findings, style.most)
    lines = [f"{concise_line(finding)}\n" for finding in shown]
    return "".join([*lines, *_left_out(findings, shown)]) + f"{total(findings, sources)}\n"


def as_json(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """One JSON object, as `report` makes it."""
    return json.dumps(report(findings, len(sources)), ensure_ascii=False, indent=2) + "\n"


def excerpts(findings: Sequence[Finding], sources: Mapping[str, str], most: int = MOST_SHOWN) -> list[str]:
    """The line that each of the first `most` findings stands on and a mark under the place, as two lines; empty where there is none to show."""
    shown = findings[:most]
    lines = {file: split_lines(sources.get(file, "")) for file in {finding.span.file for finding in shown}}
    gutters = [" " * len(str(finding.span.line)) for finding in shown]
    return [
        "\n".join(snippet(finding.span, lines[finding.span.file], gutter, width=_EXCERPT_COLUMNS))
        for finding, gutter in zip(shown, gutters, strict=True)
    ]


def report(findings: Sequence[Finding], files: int, lines: Sequence[str] = ()) -> dict[str, object]:
    """The findings as a JSON object; `version` grows when a member changes its meaning or goes. Those that `lines` are given for have them as `excerpt`."""
    told = [_json_finding(finding) for finding in findings]
    for finding, line in zip(told, lines, strict=False):
        finding["excerpt"] = line
    return {
        "version": JSON_VERSION,
        "files": files,
        "errors": _count(findings, "error"),
        "warnings": _count(findings, "warning"),
        "findings": told,
    }


FORMS: Final[dict[str, Callable[[Sequence[Finding], Mapping[str, str]], str]]] = {
    "human": human,
    "concise": concise,
    "json": as_json,
    "sarif": sarif,
    "github": github,
    "junit": junit,
}
"""Every form by the name that `--format` takes."""


def _most(findings: Sequence[Finding], most: int) -> Sequence[Finding]:
    """The findings to show, in their order: all, or errors before warnings."""
    if len(findings) <= most:
        return findings
    worst = sorted(range(len(findings)), key=lambda index: findings[index].severity)[:most]
    return [findings[index] for index in sorted(worst)]


def _left_out(findings: Sequence[Finding], shown: Sequence[Finding]) -> list[str]:
    left = len(findings) - len(shown)
    return [f"… and {left:,} more; `--max-findings` says how many are shown, `--format json` has all\n"] if left else []


def _block(finding: Finding, lines: Mapping[str, Sequence[str]], style: Style) -> str:
    spans = [finding.span, *(related.span for related in finding.related)]
    gutter = " " * max(len(str(span.line)) for span in spans)
    rule = f" ({finding.rule_id})" if finding.rule_id else ""
    colour = _RED if finding.severity == "error" else _YELLOW
    title = f"{_in(colour, f'{finding.severity}[{finding.code}]', style)}: {_in(_BOLD, finding.message, style)}"
    parts = [title, f"{gutter}--> {place(finding.span)}{rule}"]
    parts += _snippet(finding.span, lines, gutter, "^", colour, style)
    mends = " (--fix)" if finding.edits else ""
    parts += [f"{gutter} = help: {finding.help}{'' if finding.fix else mends}"] if finding.help else []
    parts += [f"{gutter} = fix: `{finding.fix}`{mends}"] if finding.fix else []
    for related in finding.related:
        parts.append(f"{gutter} = note: {related.message}: {place(related.span)}")
        parts += _snippet(related.span, lines, gutter, "-", _DIM, style)
    return "\n".join(parts) + "\n"


def _snippet(span: Span, lines: Mapping[str, Sequence[str]], gutter: str, mark: str, colour: str, style: Style) -> list[str]:
    shown = snippet(span, lines.get(span.file, ()), gutter, mark, max(20, style.width - len(gutter) - 3))
    if not shown:
        return []
    under, marks = shown[1].split("| ", 1)
    return [f"{gutter} |", shown[0], f"{under}| {_in(colour, marks, style)}"]


def _in(colour: str, text: str, style: Style) -> str:
    return f"{colour}{text}{_PLAIN}" if style.colour else text


def _count(findings: Sequence[Finding], severity: str) -> int:
    return sum(finding.severity == severity for finding in findings)


def _json_finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        **_json_span(finding.span),
        "rule": finding.rule_id,
        "help": finding.help,
        "fix": finding.fix,
        "edits": [{"text": edit.text, **_json_span(edit.span)} for edit in finding.edits],
        "related": [{"message": related.message, **_json_span(related.span)} for related in finding.related],
    }


def _json_span(span: Span) -> dict[str, object]:
    return {"file": span.file, "line": span.line, "col": span.col, "end_line": span.end_line, "end_col": span.end_col}
