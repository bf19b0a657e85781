"""Dead letters as they are read back.

In: the file that `dead_letter.py` writes, also while it is written. Out: letters in their order, and lines that are none. Rule of the file: nothing is
changed, and no line stops the reading of the next.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from engine.event import MAX_LINE_BYTES, JsonObject
from engine.rules.times import parse_time

_TEXTS: Final = ("stage", "code", "reason", "ruleset")


class Mark(NamedTuple):
    """What a letter is known by: where its line begins, and a digest of the line. Cut the file at its front, and its letters are new."""

    offset: int
    digest: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter. `number` is its line, from 1; `raw` is the event as it came in; `time_ms` is when it was put aside."""

    number: int
    mark: Mark
    time_ms: int
    stage: str
    code: str
    reason: str
    ruleset: str
    id: str | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class NoLetter:
    """A line that is no letter, and why."""

    number: int
    why: str


def read_letters(path: Path) -> Iterator[Letter | NoLetter]:
    """Every line that the file has now; what is written meanwhile is left for the next reading. Raises OSError."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        number, offset = 0, 0
        while offset < end and (line := file.readline(MAX_LINE_BYTES)):
            number += 1
            if line.endswith(b"\n"):
                yield _read(number, Mark(offset, sha256(line).hexdigest()[:16]), line)
            elif len(line) < MAX_LINE_BYTES:
                yield NoLetter(number, "its end is missing: it was cut off, or is being written")
            else:
                yield NoLetter(number, f"it is longer than {MAX_LINE_BYTES >> 20} MiB")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
            offset = file.tell()


def _read(number: int, mark: Mark, line: bytes) -> Letter | NoLetter:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return NoLetter(number, f"it is not JSON: {error}")
    if not isinstance(content, dict):
        return NoLetter(number, "it is no object")
    stage, code, reason, ruleset = (content.get(name) for name in _TEXTS)
    if not (isinstance(stage, str) and isinstance(code, str) and isinstance(reason, str) and isinstance(ruleset, str)):
        return NoLetter(number, f"one of {', '.join(f'`{name}`' for name in _TEXTS)} is missing or no text")
    time_ms, raw, identity = parse_time(content.get("time")), raw_of(content), content.get("id")
    if time_ms is None:
        return NoLetter(number, "`time` is missing or not a time")
    if raw is None:
        return NoLetter(number, "it has neither `raw` nor `raw_hex`")
    return Letter(number, mark, time_ms, stage, code, reason, ruleset, identity if isinstance(identity, str) else None, raw)


def raw_of(content: JsonObject) -> bytes | None:
    """The event of a letter that was read as JSON; None where it has none."""
    raw, digits = content.get("raw"), content.get("raw_hex")
    if isinstance(raw, str):
        return raw.encode()
    try:
        return bytes.fromhex(digits) if isinstance(digits, str) else None
    except ValueError:
        return None
