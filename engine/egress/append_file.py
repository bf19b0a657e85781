"""A file that grows by whole lines, of one process alone.

In: whole lines. Out: they are in the file. Rule of the file: whoever opens it has a lock of its own that keeps others away; where no such
lock is held, it is a `SharedAppendFile`.
"""

import os
from pathlib import Path
from typing import Final

_TAIL_BYTES: Final = 1 << 16


class AppendFile:
    """A file that only grows, by whole lines, and that nobody else writes to."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._end = whole_lines(self._fd)
        os.ftruncate(self._fd, self._end)

    def append(self, data: bytes, *, fsync: bool) -> None:
        """Add whole lines. After OSError the file is as it was before the call."""
        try:
            view, at = memoryview(data), self._end
            while view:
                written = os.pwrite(self._fd, view, at)
                view, at = view[written:], at + written
            if fsync:
                os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end = at

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def whole_lines(fd: int) -> int:
    """The size of the file without a last line that has no end."""
    size = os.fstat(fd).st_size
    while size:
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(fd, size - start, start)
        end = tail.rfind(b"\n")
        if end >= 0:
            return start + end + 1
        size = start
    return 0
