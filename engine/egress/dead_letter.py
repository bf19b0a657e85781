"""The dead-letter output: a file of JSON lines for people to look at and to replay from."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from engine.egress.shared_file import SharedAppendFile
from engine.errors import EgressUnavailable
from engine.event import DeadLetter, JsonObject
from engine.rules.times import format_time


class FileDeadLetters:
    """Appends letters to one file, which is made when the first letter comes."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._path = path
        self._fsync = fsync
        self._file: SharedAppendFile | None = None
        self._one_at_a_time = asyncio.Lock()

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """See DeadLetters. Raises EgressUnavailable where the file cannot take them: then none of them is kept."""
        if letters:
            lines = b"".join(orjson.dumps(letter_as_json(letter)) + b"\n" for letter in letters)
            async with self._one_at_a_time:
                await asyncio.to_thread(self._append, lines)

    async def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _append(self, lines: bytes) -> None:
        try:
            if self._file is None:
                self._file = SharedAppendFile(self._path)
            self._file.append(lines, fsync=self._fsync)
        except OSError as error:
            raise EgressUnavailable(f"dead letters cannot be written to `{self._path}`: {error.strerror}") from error


def letter_as_json(letter: DeadLetter) -> JsonObject:
    """A letter's line. `raw` is the event as it came in where that is UTF-8, else `raw_hex`."""
    line: JsonObject = {
        "time": format_time(letter.time_ms),
        "stage": letter.stage,
        "code": letter.code,
        "reason": letter.reason,
        "ruleset": letter.ruleset,
        "id": letter.id,
    }
    try:
        line["raw"] = letter.raw.decode()
    except UnicodeDecodeError:
        line["raw_hex"] = letter.raw.hex()
    return line
