"""Egress to files: one line of JSON a record, one file a topic.

In: records, in order. Out: they are in the file, on the disk where `fsync` says so. Rule of the file: a line is whole
or not there: what a crash or a full disk cut off is cut back to the last line end. Others may write to the same files.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.egress.shared_file import SharedAppendFile
from engine.errors import EgressUnavailable
from engine.event import Record, Refusal

_log = logging.getLogger(__name__)
_RETRY_S = 0.2


class FileEgress:
    """Writes records to `path_of(topic)`, in a thread of its own and in the order they were handed over.

    A disk that is full or failing makes it wait and try again, and `problem` say so; nothing is dropped. With `at_once`, records are
    written before `send` returns, where the disk lets them: for runs that have nothing else to do meanwhile.
    """

    def __init__(
        self,
        path_of: Callable[[str], Path],
        *,
        fsync: bool,
        at_once: bool = False,
    ) -> None:
        self.problem: str | None = None
        self._path_of = path_of
        self._fsync = fsync
        self._at_once = at_once
        self._unwritten = 0
        self._files: dict[str, SharedAppendFile] = {}
        self._purges = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="file-egress")

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        by_topic: dict[str, list[bytes]] = {}
        for record in records:
            lines = by_topic.get(record.topic)
            if lines is None:
                lines = by_topic[record.topic] = []
            lines.append(record.value)
        if self._at_once and not self._unwritten and self._written_now(by_topic):
            return _nothing_refused()
        self._unwritten += 1
        writing = asyncio.get_running_loop().run_in_executor(self._writer, self._write, by_topic, self._purges)
        writing.add_done_callback(self._note_written)
        return writing

    async def purge(self) -> None:
        """See Egress. What the thread is writing at this moment may still come out."""
        self._purges += 1

    async def close(self) -> None:
        """See Egress."""
        await asyncio.to_thread(self._writer.shutdown)
        for file in self._files.values():
            file.close()

    def _note_written(self, _: object) -> None:
        self._unwritten -= 1

    def _written_now(self, by_topic: dict[str, list[bytes]]) -> bool:
        """Write what can be written without waiting; what was written is taken out, so that the rest can be tried again."""
        for topic in list(by_topic):
            try:
                self._file(topic).append(_joined(by_topic[topic]), fsync=self._fsync)
            except OSError:
                return False
            del by_topic[topic]
        return True

    def _write(self, by_topic: dict[str, list[bytes]], purges: int) -> list[Refusal]:
        for topic, lines in by_topic.items():
            self._append(topic, _joined(lines), purges)
        return []

    def _file(self, topic: str) -> SharedAppendFile:
        file = self._files.get(topic)
        if file is None:
            file = self._files[topic] = SharedAppendFile(self._path_of(topic))
        return file

    def _append(self, topic: str, data: bytes, purges: int) -> None:
        while purges == self._purges:
            try:
                self._file(topic).append(data, fsync=self._fsync)
            except OSError as error:
                if self.problem is None:
                    _log.error("file egress: %s; trying again until it works", error)
                self.problem = f"{error.strerror} ({self._path_of(topic)})"
                time.sleep(_RETRY_S)
            else:
                if self.problem is not None:
                    _log.warning("file egress: records are written again")
                self.problem = None
                return
        raise EgressUnavailable("records were purged before they were written")


def _nothing_refused() -> Awaitable[list[Refusal]]:
    done: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()
    done.set_result([])
    return done


def _joined(lines: list[bytes]) -> bytes:
    """The lines as one text, each with its end."""
    return b"\n".join([*lines, b""])
