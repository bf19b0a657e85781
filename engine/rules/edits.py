"""Edits on a text: what stands at some spans is replaced, all else stays as it was.

In: a text as the loader reads it, and edits. Out: the text after them, and where the new parts stand. Rule of the file: places are counted as
the loader counts them; comments, blanks and line breaks are nobody's business here.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

from engine.rules.diagnostics import Edit
from engine.rules.loader import line_starts
from engine.rules.places import Span


class Places:
    """Lines and columns of one text, as offsets and back."""

    def __init__(self, text: str) -> None:
        self._starts = line_starts(text)
        self._length = len(text)

    def range(self, span: Span) -> tuple[int, int]:
        """The offsets of the first character and of the one after the last; never outside of the text."""
        start = self._offset(span.line, span.col)
        return start, max(start, self._offset(span.end_line, span.end_col))

    def _offset(self, line: int, col: int) -> int:
        if line > len(self._starts):
            return self._length
        return min(self._starts[line - 1] + col - 1, self._length)

    def span(self, file: str, start: int, end: int) -> Span:
        """The span between two offsets."""
        line, col = self._place(start)
        end_line, end_col = self._place(end)
        return Span(file, line, col, end_line, end_col)

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def compatible(groups: Sequence[tuple[Edit, ...]], places: Places) -> list[int]:
    """Which groups of edits of one text can be made together, by index: the first of those that touch the same place wins.

    The same edit may stand in several groups: a value behind an alias is at fault wherever it is used.
    """
    taken: list[tuple[int, int, str]] = []
    chosen = []
    for index, group in enumerate(groups):
        wanted = {(*places.range(edit.span), edit.text) for edit in group}
        new = [one for one in wanted if not _is_taken(one, taken)]
        if not any(_overlaps(one, taken) for one in new):
            for one in new:
                insort(taken, one)
            chosen.append(index)
    return chosen


def _is_taken(one: tuple[int, int, str], taken: Sequence[tuple[int, int, str]]) -> bool:
    at = bisect_left(taken, one)
    return at < len(taken) and taken[at] == one


def _overlaps(one: tuple[int, int, str], taken: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a range touches one of the taken ones, which are in order and apart from each other: only its neighbours can."""
    start, end, _ = one
    at = bisect_left(taken, one)
    near = taken[max(0, at - 1) : at + 1]
    return any((start, end) == (first, last) or (start < last and first < end) for first, last, _ in near)


def apply(text: str, edits: Iterable[Edit]) -> tuple[str, list[tuple[int, int]]]:
    """The text with all the edits made, and the offsets of what was written. They must be `compatible`."""
    places = Places(text)
    parts: list[str] = []
    written: list[tuple[int, int]] = []
    at = length = 0
    for (start, end), new in sorted({places.range(edit.span): edit.text for edit in edits}.items()):
        length += start - at
        parts += [text[at:start], new]
        written.append((length, length + len(new)))
        length += len(new)
        at = end
    return "".join([*parts, text[at:]]), written
