"""Findings as text: for people, for grep, for programs.

In: findings in order, and the texts of the files. Out: one string, ending with a line break. Rule of the file: one function a form, all with one
signature; `FORMS` names them.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.rules.diagnostics import Finding
from engine.rules.loader import split_lines
from engine.rules.model import Span

JSON_VERSION: Final = 1

_MAX_LINE_CHARS: Final = 160


def human(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """Each finding with the line it stands on, what to do, and a count at the end."""
    lines = {file: split_lines(text) for file, text in sources.items()}
    blocks = [_block(finding, lines.get(finding.span.file, [])) for finding in findings]
    return "\n".join([*blocks, _total(findings, sources)])


def concise(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """One line each: `file:line:col: error E301 message`, with what to do in brackets; and a count at the end."""
    return "".join(f"{_concise_line(finding)}\n" for finding in findings) + _total(findings, sources)


def as_json(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """One JSON object, as `report` makes it."""
    return json.dumps(report(findings, len(sources)), ensure_ascii=False, indent=2) + "\n"


def report(findings: Sequence[Finding], files: int) -> dict[str, object]:
    """The findings as a JSON object; `version` grows when a member changes its meaning or goes."""
    return {
        "version": JSON_VERSION,
        "files": files,
        "errors": _count(findings, "error"),
        "warnings": _count(findings, "warning"),
        "findings": [_json_finding(finding) for finding in findings],
    }


FORMS: Final[dict[str, Callable[[Sequence[Finding], Mapping[str, str]], str]]] = {
    "human": human,
    "concise": concise,
    "json": as_json,
}
"""Every form by the name that `--format` takes."""


def _concise_line(finding: Finding) -> str:
    span = finding.span
    advice = "; ".join(part for part in (finding.help, f"write `{finding.fix}`" if finding.fix else "") if part)
    return f"{_place(span)}: {finding.severity} {finding.code} {finding.message}" + (f" ({advice})" if advice else "")


def _block(finding: Finding, lines: Sequence[str]) -> str:
    span = finding.span
    gutter = " " * len(str(span.line))
    rule = f" ({finding.rule_id})" if finding.rule_id else ""
    parts = [f"{finding.severity}[{finding.code}]: {finding.message}", f"{gutter}--> {_place(span)}{rule}"]
    if 0 < span.line <= len(lines):
        parts += _snippet(span, lines[span.line - 1], gutter)
    parts += [f"{gutter} = help: {finding.help}"] if finding.help else []
    parts += [f"{gutter} = fix: `{finding.fix}`"] if finding.fix else []
    parts += [f"{gutter} = note: {related.message}: {_place(related.span)}" for related in finding.related]
    return "\n".join(parts) + "\n"


def _snippet(span: Span, line: str, gutter: str) -> list[str]:
    begin = max(0, span.col - _MAX_LINE_CHARS // 2) if len(line) > _MAX_LINE_CHARS else 0
    seen = "".join(char if char.isprintable() else " " for char in line[begin : begin + _MAX_LINE_CHARS])
    start = span.col - 1 - begin
    end = span.end_col - 1 - begin if span.end_line == span.line else len(seen)
    caret = " " * _width(seen[:start]) + "^" * max(1, _width(seen[start:end].rstrip()))
    return [f"{gutter} |", f"{span.line} | {seen}", f"{gutter} | {caret}"]


def _width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1 for char in text)


def _place(span: Span) -> str:
    """`file:line:col`, or for what is no file, an environment variable say, its name alone."""
    return f"{_printable(span.file)}:{span.line}:{span.col}" if span.line else _printable(span.file)


def _printable(file: str) -> str:
    """A file name that is safe to print."""
    return "".join(char if char.isprintable() else "?" for char in file)


def _total(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    errors, warnings, files = _count(findings, "error"), _count(findings, "warning"), len(sources)
    found = " and ".join(part for part in (_plural(errors, "error"), _plural(warnings, "warning")) if part)
    where = f" in {_plural(files, 'file')}" if files else ""
    return f"{found or 'no findings'}{where}\n"


def _plural(number: int, noun: str) -> str:
    return "" if number == 0 else f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
        "related": [{"message": related.message, **_json_span(related.span)} for related in finding.related],
    }


def _json_span(span: Span) -> dict[str, object]:
    return {"file": span.file, "line": span.line, "col": span.col, "end_line": span.end_line, "end_col": span.end_col}
