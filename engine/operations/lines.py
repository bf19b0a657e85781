"""The lines of a file or of standard input: plain, gzip or Zstandard.

In: a path or `-`. Out: lines, a block at a time. Rule of the file: what the bytes are is seen in the bytes, never in the name; a file that is cut off or
damaged is an error and not a shorter file.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from engine.errors import QuestionInvalid
from engine.event import MAX_LINE_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


LINES: Final = 500
"""So many are read at once."""

_READ_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_MARK: Final = b"\xef\xbb\xbf"


class Lines:
    """The lines of `source`, a path or `-` for standard input. Use it as a context manager, and read it once.

    `read` counts them, blank ones too; `total` are the bytes of the file as it lies, None where that is not known: what is no file
    is left open, for a thread may be waiting for more of it. Raises OSError where it cannot be opened.
    """

    def __init__(self, source: str) -> None:
        self.read = 0
        self._source = source
        self.total: int | None = None
        if source == "-":
            self._raw = cast("BufferedReader", sys.stdin.buffer)
        else:
            path = Path(source)
            self._raw = cast("BufferedReader", path.open("rb", buffering=_READ_BYTES))
            self.total = path.stat().st_size if path.is_file() else None
        self._read_bytes = 0

    def __enter__(self) -> Self:
        """The file, open."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        if self.total is not None:
            self._raw.close()

    @property
    def position(self) -> int:
        """How much of the file as it lies was read; of standard input, how much of what was in it."""
        return self._read_bytes if self.total is None else self._raw.tell()

    def blocks(self) -> Iterator[list[bytes]]:
        """Blocks of at most LINES lines, without their ends, as they come in; a byte order mark at the start is left out.

        Raises QuestionInvalid for a line longer than MAX_LINE_BYTES, and for packed bytes that are damaged or cut off.
        """
        try:
            with self._unpacked() as file:
                for lines in self._arriving(file):
                    for start in range(0, len(lines), LINES):
                        block = lines[start : start + LINES]
                        self.read += len(block)
                        yield block
        except (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
            raise QuestionInvalid(f"`{self._source}` is damaged or cut off after line {self.read}: {error}") from error

    def _unpacked(self) -> AbstractContextManager[BufferedReader]:
        head = self._raw.peek(len(_ZSTD))
        if head.startswith(_GZIP):
            return gzip.GzipFile(fileobj=self._raw)  # type: ignore[return-value]  # it reads as a binary file does
        if head.startswith(_ZSTD):
            return zstd.ZstdFile(self._raw)  # type: ignore[return-value]  # as above
        return nullcontext(self._raw)

    def _arriving(self, file: BufferedReader) -> Iterator[list[bytes]]:
        """The lines that each read brings to their end: what comes slowly is not waited for."""
        begun: list[bytes] = []
        begun_bytes = 0
        if file.peek(len(_MARK)).startswith(_MARK):
            file.read(len(_MARK))
        while chunk := file.read1(_READ_BYTES):
            self._read_bytes += len(chunk)
            first, *others = chunk.split(b"\n")
            begun.append(first)
            begun_bytes += len(first)
            if begun_bytes > MAX_LINE_BYTES:
                raise QuestionInvalid(
                    f"`{self._source}`: line {self.read + 1} is longer than {MAX_LINE_BYTES >> 20} MiB; one event a line"
                )
            if others:
                last = others.pop()
                yield [b"".join(begun), *others]
                begun, begun_bytes = [last], len(last)
        if begun_bytes:
            yield [b"".join(begun)]
