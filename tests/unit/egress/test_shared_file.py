"""One file, and several processes that add lines to it."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from engine.egress.shared_file import SharedAppendFile

WRITER = """
import sys
from pathlib import Path
from engine.egress.shared_file import SharedAppendFile
file = SharedAppendFile(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    file.append(b"".join(b"%s-%d-%d-%s\\n" % (sys.argv[2].encode(), number, line, b"x" * 3000) for line in range(10)), fsync=False)
"""


def writer(path: Path, name: str, batches: int) -> "subprocess.Popen[bytes]":
    """A process that waits for a line, and then writes batches of ten lines."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def begin(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()


def batches_of(lines: list[bytes]) -> Counter[bytes]:
    """How many lines each batch has; it fails where they do not stand together."""
    names = [b"-".join(line.split(b"-")[:2]) for line in lines]
    assert all(line.endswith(b"-" + b"x" * 3000) for line in lines), "a line is not whole"
    runs = [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
    assert len(runs) == len(set(runs)), "lines of another batch stand within one"
    return Counter(names)


def test_batches_of_several_processes_stand_whole_and_together(tmp_path: Path) -> None:
    path = tmp_path / "out" / "events.ndjson"
    writers = [writer(path, name, 100) for name in ("a", "b", "c")]
    for process in writers:
        begin(process)
    for process in writers:
        with process:
            assert process.wait(60) == 0

    counts = batches_of(path.read_bytes().splitlines())

    assert len(counts) == 300
    assert set(counts.values()) == {10}


def test_what_a_killed_process_left_half_written_is_cut_back_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    file = SharedAppendFile(path)
    file.append(b"first\n", fsync=True)
    with path.open("ab") as torn:
        torn.write(b"half a li")

    file.append(b"second\n", fsync=True)
    file.close()

    assert path.read_bytes() == b"first\nsecond\n"


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    file = SharedAppendFile(path)
    with writer(path, "killed", 1_000_000) as process:
        begin(process)
        while not path.stat().st_size:
            pass
        process.kill()
    file.append(b"after\n", fsync=True)
    file.close()

    *lines, last = path.read_bytes().splitlines()
    batches_of(lines)
    assert last == b"after"


def test_a_file_that_others_have_added_to_meanwhile_goes_on_at_its_end(tmp_path: Path) -> None:
    one, other = SharedAppendFile(tmp_path / "f"), SharedAppendFile(tmp_path / "f")
    for file, line in ((one, b"1\n"), (other, b"2\n"), (one, b"3\n")):
        file.append(line, fsync=True)

    assert (tmp_path / "f").read_bytes() == b"1\n2\n3\n"
    one.close()
    other.close()


def test_what_is_added_after_the_file_or_its_directory_was_removed_is_in_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "out" / "events.ndjson"
    files = [SharedAppendFile(path), SharedAppendFile(path)]
    files[0].append(b"first\n", fsync=True)
    path.unlink()
    path.parent.rmdir()

    for number, file in enumerate(files):
        file.append(b"%d\n" % number, fsync=True)

    assert path.read_bytes() == b"0\n1\n"


def test_what_is_added_where_no_new_file_can_be_made_is_said_not_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "out" / "events.ndjson"
    file = SharedAppendFile(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")

    for _ in range(2):
        with pytest.raises(OSError, match="exists"):
            file.append(b"lost\n", fsync=False)
    path.parent.unlink()
    file.append(b"kept\n", fsync=False)

    assert path.read_bytes() == b"kept\n"
