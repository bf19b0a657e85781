"""The file of dead letters: what could not be written is said not to be there."""

from pathlib import Path

import orjson
import pytest

from engine.egress.dead_letter import FileDeadLetters
from engine.errors import EgressUnavailable
from engine.event import DeadLetter


def letter(raw: bytes) -> DeadLetter:
    return DeadLetter(time_ms=0, stage="publish", code="refused", reason="too large", ruleset="abc", id="e1", raw=raw)


async def test_letters_that_cannot_be_written_are_told_of_and_later_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out" / "dead.ndjson"
    path.parent.write_text("in the way")
    letters = FileDeadLetters(path, fsync=True)

    with pytest.raises(EgressUnavailable, match=r"dead letters cannot be written to `.*dead\.ndjson`: File exists"):
        await letters.put([letter(b"{}")])
    path.parent.unlink()
    await letters.put([letter(b"[1]")])
    path.unlink()
    await letters.put([letter(b"\xff")])
    await letters.close()

    (line,) = path.read_bytes().splitlines()
    assert orjson.loads(line)["raw_hex"] == "ff"
