"""Lines that several forms of a report share.

In: findings, or one. Out: a line without its break. Rule of the file: what comes from a file name or a message is safe to print.
"""

from collections.abc import Mapping, Sequence

from engine.rules.diagnostics import MAX_FINDINGS, Finding
from engine.rules.places import Span


def place(span: Span) -> str:
    """`file:line:col`, or for what is no file, an environment variable say, its name alone."""
    return f"{printable(span.file)}:{span.line}:{span.col}" if span.line else printable(span.file)


def printable(file: str) -> str:
    """A file name that is safe to print."""
    return "".join(char if char.isprintable() else "?" for char in file)


def with_advice(finding: Finding) -> str:
    """The message, and in brackets what to do."""
    advice = "; ".join(part for part in (finding.help, f"write `{finding.fix}`" if finding.fix else "") if part)
    return f"{finding.message} ({advice})" if advice else finding.message


def concise_line(finding: Finding) -> str:
    """`file:line:col: error E301 message`, with what to do in brackets."""
    return f"{place(finding.span)}: {finding.severity} {finding.code} {with_advice(finding)}"


def total(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """How many errors and warnings there are in how many files."""
    errors, files = sum(finding.severity == "error" for finding in findings), len(sources)
    found = " and ".join(part for part in (_plural(errors, "error"), _plural(len(findings) - errors, "warning")) if part)
    found = f"at least {found}" if len(findings) >= MAX_FINDINGS else found
    where = f" in {_plural(files, 'file')}" if files else ""
    return f"{found or 'no findings'}{where}"


def _plural(number: int, noun: str) -> str:
    return "" if number == 0 else f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
