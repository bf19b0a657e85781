"""A line of a file with a mark under a place in it.

In: a span and the line it begins on. Out: lines of text. Rule of the file: the mark stands right on a terminal, whatever is in the line: wide characters take
two columns, combining ones none, tabs and unprintable ones are shown as one blank.
"""

import unicodedata
from collections.abc import Sequence

from engine.rules.places import Span


def snippet(span: Span, lines: Sequence[str], gutter: str, mark: str = "^", width: int = 160) -> list[str]:
    """The line that `span` begins on, cut to `width` columns around it, and the mark; empty where the file has no such line."""
    if not 0 < span.line <= len(lines):
        return []
    line = lines[span.line - 1]
    begin, end = _window(line, span.col - 1, width)
    seen = "".join(char if char.isprintable() else " " for char in line[begin:end])
    first = span.col - 1 - begin
    last = span.end_col - 1 - begin if span.end_line == span.line else len(seen)
    under = " " * columns(seen[:first]) + mark * max(1, columns(seen[first:last].rstrip()))
    number = str(span.line).rjust(len(gutter))
    return [f"{number} | {seen}", f"{gutter} | {under}"]


def _window(line: str, at: int, width: int) -> tuple[int, int]:
    """The part of the line to show: from its beginning where that is near enough, and at most `width` columns."""
    begin = 0 if columns(line[: at + width]) <= width else max(0, at - width // 2)
    while columns(line[begin:at]) > width // 2 and begin < at and begin:
        begin += 1
    end = begin
    left = width
    while end < len(line) and left >= columns(line[end]):
        left -= columns(line[end])
        end += 1
    return begin, end


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.category(char) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
