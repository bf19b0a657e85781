"""Recordings as they are read: whatever they are packed in, as a whole or not at all."""

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import QuestionInvalid
from engine.operations import lines
from engine.replays.recording import open_recording

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = b"".join(b'{"n": %d}\n' % number for number in range(1_203))


def lines_of(source: str) -> bytes:
    with open_recording(source) as opened:
        return b"".join(line + b"\n" for block in opened.blocks() for _, line in block)


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstd.compress, lambda data: gzip.compress(data[:500]) + gzip.compress(data[500:])]
)
def test_the_lines_are_the_same_whatever_they_are_packed_in_and_whatever_the_name_says(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(pack(LINES))  # type: ignore[operator]

    assert lines_of(str(path)) == LINES


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch, pack: object) -> None:
    packed = pack(LINES)  # type: ignore[operator]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(packed))))

    assert lines_of("-") == LINES


def test_lines_keep_their_numbers_where_blank_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(b"{}\n\n  \r\n[1]\nlast")

    with open_recording(str(path)) as opened:
        assert [*opened.blocks()] == [[(1, b"{}"), (4, b"[1]")], [(5, b"last")]]
        assert opened.position == path.stat().st_size


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_recording_that_is_cut_off_or_damaged_is_refused_and_not_taken_for_a_shorter_one(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "e"
    whole = bytes(pack(LINES))  # type: ignore[operator]
    for broken in (whole[:-9], whole[:200] + bytes(40) + whole[240:]):
        path.write_bytes(broken)
        with pytest.raises(QuestionInvalid, match="is damaged or cut off after line"):
            lines_of(str(path))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "e"
    path.write_bytes(gzip.compress(b"{}\n" + b"x" * (3 << 20)))

    with pytest.raises(QuestionInvalid, match="line 2 is longer than 1 MiB"):
        lines_of(str(path))
