"""Which dead letters were replayed: a file of notes beside that of the letters.

In: letters whose replay has ended. Out: the same, at the next reading. Rule of the file: notes are only added, after the service has answered. One that
was lost lets its letter be sent again, which the service takes for a copy; no letter is ever lost by a note.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import orjson

from engine.egress.append_file import AppendFile
from engine.egress.letters import Letter, Mark
from engine.errors import EgressUnavailable
from engine.rules.times import format_time

SUFFIX: Final = ".replayed"


def notes_path(letters: Path) -> Path:
    """Where the notes on a file of letters are."""
    return letters.with_name(letters.name + SUFFIX)


def read_notes(letters: Path) -> set[Mark]:
    """The letters that were replayed; lines that are no note count for nothing. Raises OSError where the file cannot be read."""
    path = notes_path(letters)
    if not path.exists():
        return set()
    with path.open("rb") as file:
        return {mark for line in file if (mark := _mark(line)) is not None}


class ReplayNotes:
    """Takes notes. One process at a time may."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file

    @classmethod
    @contextmanager
    def open(cls, letters: Path) -> Iterator[Self]:
        """The notes on a file of letters. Raises EgressUnavailable where another process takes some now, OSError where none can be kept."""
        path = notes_path(letters)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EgressUnavailable(f"another replay of `{letters}` is at work; wait for its end") from None
        file = AppendFile(path)
        try:
            yield cls(file)
        finally:
            file.close()
            os.close(lock)

    def add(self, letters: Iterable[tuple[Letter, str]], now_ms: int) -> None:
        """Note letters, each with the status that their replay ended in; on return the notes are on the disk. Raises OSError."""
        at = format_time(now_ms)
        notes = [{**letter.mark._asdict(), "id": letter.id, "status": status, "time": at} for letter, status in letters]
        if notes:
            self._file.append(b"".join(orjson.dumps(note) + b"\n" for note in notes), fsync=True)


def _mark(line: bytes) -> Mark | None:
    try:
        note = orjson.loads(line)
        return Mark(int(note["offset"]), str(note["digest"]))
    except (ValueError, KeyError, TypeError):
        return None
