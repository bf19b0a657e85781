"""A recording as lines: a file or standard input, plain, gzip or Zstandard.

In: a path or `-`. Out: lines, a block at a time. Rule of the file: what the bytes are is seen in the bytes, never in the name; a recording that is cut
off or damaged is an error and not a shorter recording.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self, cast

from engine.egress.letters import MAX_LINE_BYTES
from engine.errors import QuestionInvalid
from engine.operations.feed import LINES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


_READ_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


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


class Recording:
    """The lines of `source`, a path or `-` for standard input. Use it as a context manager, and read it once.

    `lines` counts those that were read, blank ones too; `total` are the bytes of the file as it lies, None where that is not known.
    Raises OSError where it cannot be opened.
    """

    unit = "B"

    def __init__(self, source: str) -> None:
        self.lines = 0
        self._source = source
        self._opened: AbstractContextManager[BinaryIO]
        if source == "-":
            self.total: int | None = None
            self._raw = cast("BufferedReader", sys.stdin.buffer)
            self._opened = nullcontext(self._raw)
        else:
            path = Path(source)
            self._raw = cast("BufferedReader", path.open("rb", buffering=_READ_BYTES))
            self._opened = self._raw
            self.total = path.stat().st_size if path.is_file() else None
        self._read_bytes = 0

    def __enter__(self) -> Self:
        """The recording, open."""
        self._opened.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        self._opened.__exit__(kind, error, trace)

    @property
    def position(self) -> int:
        """How much of the file as it lies was read; of standard input, how much of what was in it."""
        return self._read_bytes if self.total is None else self._raw.tell()

    def blocks(self) -> Iterator[Block]:
        """Blocks of at most LINES lines with their numbers, from 1; blank ones are left out.

        Raises QuestionInvalid for a line longer than MAX_LINE_BYTES, and for packed bytes that are damaged or cut off.
        """
        try:
            with self._unpacked() as file:
                while block := self._block(file):
                    yield [(number, line) for number, line in block if not line.isspace()]
        except (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
            raise QuestionInvalid(f"`{self._source}` is damaged or cut off after line {self.lines}: {error}") from error

    def _unpacked(self) -> AbstractContextManager[BinaryIO]:
        head = self._raw.peek(len(_ZSTD))
        if head.startswith(_GZIP):
            return gzip.GzipFile(fileobj=self._raw)  # type: ignore[return-value]  # it reads as a binary file does
        if head.startswith(_ZSTD):
            return zstd.ZstdFile(self._raw)  # type: ignore[return-value]  # as above
        return nullcontext(self._raw)

    def _block(self, file: BinaryIO) -> list[tuple[int, bytes]]:
        block: list[tuple[int, bytes]] = []
        while len(block) < LINES and (line := file.readline(MAX_LINE_BYTES + 1)):
            self.lines += 1
            if len(line) > MAX_LINE_BYTES:
                raise QuestionInvalid(
                    f"`{self._source}`: line {self.lines} is longer than {MAX_LINE_BYTES >> 20} MiB; one event a line"
                )
            self._read_bytes += len(line)
            block.append((self.lines, line))
        return block
