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


@pytest.mark.parametrize("there", ["out.ndjson", "out.robots.seen.ndjson", "out.dead-letters.ndjson"])
def test_a_file_that_is_there_is_neither_added_to_nor_lost(project: Path, there: str) -> None:
    rules = project / "rules" / "routed.yaml"
    rules.write_text("version: 1\nroutes: {robots: {topic: robots.seen}}\n")
    (project / there).write_text("precious, and no line end")

    line = refusal(run(project, "--out", "out.ndjson"))

    assert f"`{there}`" in line
    assert "--overwrite" in line
    assert (project / there).read_text() == "precious, and no line end"
    assert not (project / "summary.json").exists()


def test_a_run_that_overwrites_begins_all_its_files_anew(project: Path) -> None:
    assert run(project, "--out", "out.ndjson").returncode == 0
    notes = project / "out.dead-letters.ndjson.replayed"
    notes.write_text("a note\n")

    ended = run(project, "--out", "out.ndjson", "--overwrite")

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
    (project / "out.ndjson").write_text("precious")

    assert "`out.ndjson`" in refusal(run(project, "--out", "out.ndjson", "--state", "kept.db"))


@pytest.mark.parametrize("option", ["--out", "--dead-letters", "--aggregates", "--summary"])
def test_what_is_read_is_never_written(project: Path, option: str) -> None:
    (project / "in.ndjson").write_bytes(ndjson([answer("a1")]))

    line = refusal(rulemill("process", "in.ndjson", option, "./in.ndjson", "--overwrite", cwd=project))

    assert "in.ndjson" in line
    assert (project / "in.ndjson").read_bytes() == ndjson([answer("a1")])


def test_nothing_is_begun_anew_for_a_run_that_cannot_begin(project: Path) -> None:
    (project / "out.ndjson").write_text("precious")

    refusal(rulemill("process", "missing.ndjson", "--out", "out.ndjson", "--overwrite", cwd=project))

    assert (project / "out.ndjson").read_text() == "precious"
