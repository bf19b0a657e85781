"""Dead letters are read back as they were put, and each is noted as replayed once and for good."""

from pathlib import Path

import pytest

from engine.egress.dead_letter import FileDeadLetters
from engine.egress.letter_choice import MAX_FAULTS, LetterChoice
from engine.egress.letter_tables import counts, table, whole
from engine.egress.letters import Letter, NoLetter, read_letters
from engine.egress.replay_notes import ReplayNotes, notes_path, read_notes
from engine.errors import EgressUnavailable
from engine.event import DeadLetter

NOW_MS = 1_772_442_000_000


def letter(raw: bytes, *, code: str = "schema", identity: str | None = "a1", time_ms: int = NOW_MS) -> DeadLetter:
    return DeadLetter(raw, "`points` is `-1`", code, "publish", "0123456789ab", identity, time_ms)


async def write(path: Path, *letters: DeadLetter) -> Path:
    output = FileDeadLetters(path, fsync=False)
    await output.put(letters)
    await output.close()
    return path


def read(path: Path) -> list[Letter]:
    found = list(read_letters(path))
    assert all(isinstance(one, Letter) for one in found), found
    return [one for one in found if isinstance(one, Letter)]


@pytest.mark.parametrize("raw", [b'{"id": "a1"}', b"not JSON", b"\xff\x00 no text", b'{\n "id": "\xc3\xa9"\n}', b""])
async def test_a_letter_is_read_as_it_was_put_to_the_last_byte(tmp_path: Path, raw: bytes) -> None:
    (one,) = read(await write(tmp_path / "letters", letter(raw, identity=None)))

    assert (one.raw, one.id, one.time_ms, one.code, one.stage) == (raw, None, NOW_MS, "schema", "publish")


async def test_lines_that_are_no_letters_are_told_and_stop_nothing(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"), letter(b"2"))
    first, second = path.read_bytes().splitlines(keepends=True)
    broken = [b"nope\n", b"[]\n", b"{}\n", second.replace(b'"raw"', b'"rwa"'), second.replace(b"2026", b"26"), b"\n"]
    path.write_bytes(first + b"".join(broken) + second + b'{"time":"2026')

    found = list(read_letters(path))

    assert [one.raw for one in found if isinstance(one, Letter)] == [b"1", b"2"]
    assert [one.number for one in found if isinstance(one, NoLetter)] == [2, 3, 4, 5, 6, 7, 9]
    assert [one.number for one in found if isinstance(one, Letter)] == [1, 8]
    choice = LetterChoice(path)
    assert [one.raw for one in choice] == [b"1", b"2"]
    assert (choice.faulty, choice.faults[0].why.split(":")[0]) == (7, "it is not JSON")


async def test_of_many_lines_that_are_no_letters_only_some_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    path.write_bytes(b"nope\n" * 1_000)
    choice = LetterChoice(path)

    assert list(choice) == []
    assert (choice.faulty, len(choice.faults)) == (1_000, MAX_FAULTS)


async def test_what_is_written_while_the_file_is_read_waits_for_the_next_reading(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"))

    reading = read_letters(path)
    next(reading)
    await write(path, letter(b"2"))

    assert list(reading) == []
    assert len(read(path)) == 2


async def test_letters_are_chosen_by_code_time_number_and_id(tmp_path: Path) -> None:
    path = await write(
        tmp_path / "letters",
        letter(b"1", code="refused", identity="a"),
        letter(b"2", time_ms=NOW_MS + 5, identity="b"),
        letter(b"3", identity="2"),
    )

    def chosen(**wanted: object) -> list[bytes]:
        return [one.raw for one in LetterChoice(path, **wanted)]  # type: ignore[arg-type]

    assert chosen(code="refused") == [b"1"]
    assert chosen(since_ms=NOW_MS + 1) == [b"2"]
    assert chosen(names=["b"]) == [b"2"]
    assert chosen(names=["2"]) == [b"2", b"3"]
    assert chosen(names=["nobody"]) == []
    assert list(LetterChoice(tmp_path / "nowhere")) == []


async def test_a_letter_that_was_replayed_is_left_out_until_it_is_asked_for(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"), letter(b"1"), letter(b"2"))
    before = path.read_bytes()
    first = read(path)[0]
    with ReplayNotes.open(path) as notes:
        notes.add([(first, "accepted")], NOW_MS)

    choice = LetterChoice(path)

    assert [one.number for one in choice] == [2, 3], "a letter of the same content is another letter"
    assert (choice.taken, choice.replayed) == (2, 1)
    assert [one.number for one in LetterChoice(path, with_replayed=True)] == [1, 2, 3]
    assert path.read_bytes() == before


async def test_a_note_that_a_crash_cut_off_counts_for_nothing_and_harms_no_other(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"), letter(b"2"))
    first, second = read(path)
    with ReplayNotes.open(path) as notes:
        notes.add([(first, "accepted")], NOW_MS)
    whole_notes = notes_path(path).read_bytes()
    notes_path(path).write_bytes(whole_notes + b'{"offset": 1')

    assert read_notes(path) == {first.mark}
    with ReplayNotes.open(path) as notes:
        notes.add([(second, "accepted")], NOW_MS)
    assert read_notes(path) == {first.mark, second.mark}


async def test_letters_of_a_file_that_was_cut_at_its_front_are_new(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"), letter(b"2"))
    with ReplayNotes.open(path) as notes:
        notes.add([(one, "accepted") for one in read(path)], NOW_MS)
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])

    assert [one.raw for one in LetterChoice(path)] == [b"2"]


async def test_one_replay_at_a_time_takes_notes(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1"))

    with ReplayNotes.open(path), pytest.raises(EgressUnavailable, match="another replay"), ReplayNotes.open(path):
        pass
    with ReplayNotes.open(path):
        pass


async def test_a_table_has_a_line_for_each_letter_and_nothing_that_steers_a_terminal(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1", identity="\x1b[2J\u202eevil"), letter(b"2", identity="x" * 100))

    lines = list(table(read(path), None))

    assert lines[0].split() == ["N", "TIME", "CODE", "STAGE", "ID", "REASON"]
    assert lines[1].split()[:5] == ["1", "2026-03-02T09:00:00.000Z", "schema", "publish", "\\x1b[2J\\u202eevil"]
    assert "x" * 39 + "…" in lines[2]
    assert all(len(line) <= 60 for line in table(read(path), 60))


async def test_counts_have_the_most_frequent_first_and_its_times(tmp_path: Path) -> None:
    path = await write(tmp_path / "letters", letter(b"1", code="refused"), letter(b"2"), letter(b"3", time_ms=NOW_MS + 1000))

    rows = [line.split() for line in counts(read(path), "code")]

    assert rows[1:] == [
        ["2", "schema", "2026-03-02T09:00:00.000Z", "2026-03-02T09:00:01.000Z"],
        ["1", "refused", "2026-03-02T09:00:00.000Z", "2026-03-02T09:00:00.000Z"],
    ]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"n":12345678901234567890123}', '"n": 12345678901234567890123'),
        (b"no\x1bpe\xff", "no\\x1bpe\\xff"),
        (b"[" * 9999, "[[[["),
    ],
)
async def test_a_letter_is_shown_with_its_event_as_it_was(tmp_path: Path, raw: bytes, shown: str) -> None:
    (one,) = read(await write(tmp_path / "letters", letter(raw)))

    assert shown in "\n".join(whole(one))
