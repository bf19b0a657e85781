"""A recording: events with the places they stand at.

In: a path or `-`. Out: lines with their numbers, a block at a time. Rule of the file: blank lines are left out, and counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from engine.operations.lines import Lines

Place = int | str
"""Where an event stands: the number of its line, from 1, or in a topic `PARTITION:OFFSET`."""

Block = list[tuple[Place, bytes]]


class Source(Protocol):
    """Where recorded events come from. `total` and `position` are in units of `unit`."""

    unit: str
    total: int | None

    @property
    def position(self) -> int:
        """How far it was read."""

    def blocks(self) -> Iterator[Block]:
        """Blocks of at most LINES lines, each with its place. Raises QuestionInvalid where it cannot be read to its end."""


@contextmanager
def open_recording(source: str) -> Iterator[Source]:
    """The lines of a path or `-` as a source of a replay. Raises OSError where it cannot be opened."""
    with Lines(source) as lines:
        yield _Recording(lines)


class _Recording(Source):
    unit = "B"

    def __init__(self, lines: Lines) -> None:
        self.total = lines.total
        self._lines = lines

    @property
    def position(self) -> int:
        return self._lines.position

    def blocks(self) -> Iterator[Block]:
        """Blocks with the numbers of the lines, from 1."""
        number = 1
        for block in self._lines.blocks():
            yield [(place, line) for place, line in enumerate(block, start=number) if line and not line.isspace()]
            number += len(block)
