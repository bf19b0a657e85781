"""A file that several processes add lines to, as `AppendFile` is for one.

In: whole lines, a batch of them at a time. Out: they are in the file, together. Rule of the file: whoever writes holds the file's lock and starts
at its end; what a killed process left there half written is cut back by the next one that writes. A file that somebody removes is made again: what
was written into one that is gone has not been written.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.egress.append_file import whole_lines

_log = logging.getLogger(__name__)


class SharedAppendFile:
    """A file that only grows, by whole lines, whichever process they are of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = self._opened()

    def append(self, data: bytes, *, fsync: bool) -> None:
        """Add whole lines. After OSError they are not in the file, but where the disk failed when others had already added to it."""
        self._append(data, fsync=fsync)
        while os.fstat(self._fd).st_nlink == 0:
            removed, self._fd = self._fd, self._opened()
            os.close(removed)
            _log.warning("`%s` was removed; what comes from now on is in a new file of that name", self.path)
            self._append(data, fsync=fsync)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _opened(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)

    def _append(self, data: bytes, *, fsync: bool) -> None:
        with self._locked():
            start = self._end_of_lines()
            try:
                view, at = memoryview(data), start
                while view:
                    written = os.pwrite(self._fd, view, at)
                    view, at = view[written:], at + written
            except OSError:
                os.ftruncate(self._fd, start)
                raise
        # Without the lock: a sync takes milliseconds, in which the others may write, and theirs may come in the same one.
        if fsync:
            try:
                os.fdatasync(self._fd)
            except OSError:
                self._take_back(start, at)
                raise

    def _end_of_lines(self) -> int:
        """Where the next line begins, with the file cut there."""
        size = os.fstat(self._fd).st_size
        if not size or os.pread(self._fd, 1, size - 1) == b"\n":
            return size
        end = whole_lines(self._fd)
        os.ftruncate(self._fd, end)
        return end

    def _take_back(self, start: int, end: int) -> None:
        with self._locked():
            if os.fstat(self._fd).st_size == end:
                os.ftruncate(self._fd, start)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The system gives the lock back when the process is killed."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
