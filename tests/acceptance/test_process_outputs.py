"""The files that `rulemill process` writes: nothing that was there is lost or mixed up, and what cannot be written is said at once."""

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.processes import rulemill
from tests.acceptance.samples import answer, ndjson, read_lines


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A run over one event and one line that is none."""
    (project / "in.ndjson").write_bytes(ndjson([answer("a1")]) + b"nope\n")
    return rulemill("process", "in.ndjson", "--summary", "summary.json", *arguments, cwd=project)


def refusal(ended: subprocess.CompletedProcess[bytes]) -> str:
    """The one line that a run which did nothing says."""
    assert ended.returncode == 2, ended.stderr.decode()
    (line,) = ended.stderr.decode().splitlines()
    return line


def test_a_run_begins_all_its_files_anew(project: Path) -> None:
    assert run(project, "--out", "out.ndjson").returncode == 0
    notes = project / "out.dead-letters.ndjson.replayed"
    notes.write_text("a note\n")

    ended = run(project, "--out", "out.ndjson")

    assert ended.returncode == 0, ended.stderr.decode()
    assert [record["id"] for record in read_lines(project / "out.ndjson")] == ["a1"]
    assert len(read_lines(project / "out.dead-letters.ndjson")) == 1
    assert read_lines(notes) == []


def test_a_run_that_goes_on_from_kept_state_adds_to_its_files(project: Path) -> None:
    arguments = ("--out", "out.ndjson", "--state", "kept.db")
    assert run(project, *arguments).returncode == 0

    assert run(project, *arguments).returncode == 0

    assert [record["id"] for record in read_lines(project / "out.ndjson")] == ["a1"]
    assert len(read_lines(project / "out.dead-letters.ndjson")) == 2


def test_a_run_whose_kept_state_is_new_has_no_files_to_go_on_with(project: Path) -> None:
    assert run(project, "--out", "out.ndjson").returncode == 0

    assert run(project, "--out", "out.ndjson", "--state", "kept.db").returncode == 0
    assert [record["id"] for record in read_lines(project / "out.ndjson")] == ["a1"]


@pytest.mark.parametrize("option", ["--out", "--dead-letters", "--aggregates", "--summary"])
def test_what_is_read_is_never_written(project: Path, option: str) -> None:
    (project / "in.ndjson").write_bytes(ndjson([answer("a1")]))

    line = refusal(rulemill("process", "in.ndjson", option, "./in.ndjson", cwd=project))

    assert "in.ndjson" in line
    assert (project / "in.ndjson").read_bytes() == ndjson([answer("a1")])


def test_nothing_is_begun_anew_for_a_run_that_cannot_begin(project: Path) -> None:
    (project / "out.ndjson").write_text("precious")

    refusal(rulemill("process", "missing.ndjson", "--out", "out.ndjson", cwd=project))

    assert (project / "out.ndjson").read_text() == "precious"


@pytest.mark.parametrize("option", ["--out", "--dead-letters", "--aggregates", "--summary"])
@pytest.mark.parametrize("place", ["rules", "in.ndjson/out.ndjson"])
def test_a_place_that_cannot_be_written_ends_the_run_before_it_reads(project: Path, option: str, place: str) -> None:
    line = refusal(run(project, option, place))

    assert f"`{place}` cannot be written: " in line
    assert "retr" not in line


@pytest.mark.parametrize("option", ["--out", "--dead-letters", "--aggregates", "--summary"])
@pytest.mark.parametrize("content", ["precious\n", '{"precious": 1}\n', "{}", '{"kind": "answer"'])
def test_a_file_that_no_run_has_written_is_left_as_it_is(project: Path, option: str, content: str) -> None:
    (project / "notes.txt").write_text(content)

    line = refusal(run(project, option, "notes.txt"))

    assert (
        line
        == "rulemill: `notes.txt` holds something that no run has written, and would lose it; name another file, or remove it"
    )
    assert (project / "notes.txt").read_text() == content


def test_a_run_takes_the_place_of_one_before_in_all_its_files(project: Path) -> None:
    files = ("--out", "out.ndjson", "--aggregates", "windows.ndjson", "--dead-letters", "letters.ndjson")
    for _ in range(2):
        assert run(project, *files).returncode == 0


def test_a_topic_whose_file_is_a_directory_ends_the_run_before_it_reads(project: Path) -> None:
    (project / "rules" / "routed.yaml").write_text("version: 1\nroutes: {robots: {topic: robots.seen}}\n")
    (project / "out.robots.seen.ndjson").mkdir()

    assert "`out.robots.seen.ndjson` cannot be written: " in refusal(run(project, "--out", "out.ndjson"))


def test_a_run_without_letters_leaves_no_empty_file_of_them(project: Path) -> None:
    ended = rulemill("process", "-", "--out", "new/out.ndjson", cwd=project, stdin=ndjson([answer("a1")]))

    assert ended.returncode == 0, ended.stderr.decode()
    assert [path.name for path in (project / "new").iterdir()] == ["out.ndjson"]


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/stderr"])
def test_records_do_not_go_to_a_pipe(project: Path, place: str) -> None:
    assert f"`{place}` cannot be written: " in refusal(run(project, "--out", place))


@pytest.mark.parametrize("option", ["--out", "--dead-letters", "--aggregates", "--summary"])
def test_a_dash_is_no_output(project: Path, option: str) -> None:
    assert f"`{option} -`" in refusal(run(project, option, "-"))

    assert not list(project.glob("-*"))
