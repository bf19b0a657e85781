"""`validate-rules --fix`: what it writes, what it leaves alone, and that it knows when it is done."""

from pathlib import Path

import pytest

from tests.acceptance.processes import rulemill

WRITTEN = """\
version: 1
# Who comes in.
events: {type: kind, time: at,  types: {answer: {}}}   # two blanks, and a comment

filter:   # misspelt
  slow:
    when:   {took_ms: {">=": 1_000}} # an operator that is none, and a number with a separator
    then:
        - allow: {mark: slow}
    mod: shadow
"""
MENDED = """\
version: 1
# Who comes in.
events: {type: kind, time: at,  types: {answer: {}}}   # two blanks, and a comment

filters:   # misspelt
  slow:
    when:   {took_ms: {gte: 1000}} # an operator that is none, and a number with a separator
    then:
        - allow: {mark: slow}
    mode: shadow
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(WRITTEN)
    return tmp_path


def test_all_that_is_sure_is_mended_and_nothing_else_is_touched(faulty: Path) -> None:
    ended = rulemill("validate", "--fix", cwd=faulty)

    assert (faulty / "rules" / "rules.yaml").read_text() == MENDED
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"no findings in 1 file\n", b"mended 4 findings in 1 file\n")


def test_a_second_time_there_is_nothing_to_mend(faulty: Path) -> None:
    rulemill("validate", "--fix", cwd=faulty)
    before = (faulty / "rules" / "rules.yaml").stat()

    ended = rulemill("validate", "--fix", cwd=faulty)

    after = (faulty / "rules" / "rules.yaml").stat()
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_diff_shows_what_would_be_written_and_writes_nothing(faulty: Path) -> None:
    ended = rulemill("validate", "--fix", "--diff", cwd=faulty)

    lines = ended.stdout.decode().splitlines()
    assert ended.returncode == 1
    assert "-filter:   # misspelt" in lines
    assert "+filters:   # misspelt" in lines
    assert (faulty / "rules" / "rules.yaml").read_text() == WRITTEN


def test_what_cannot_be_mended_is_reported_and_stays(faulty: Path) -> None:
    (faulty / "rules" / "more.yaml").write_text("version: 1\nfilters: {weak: {when: {score: {lt: 1}}}}\n")

    ended = rulemill("validate", "--fix", "--format", "concise", cwd=faulty)

    assert ended.returncode == 1
    assert ended.stdout.decode().startswith("rules/more.yaml:2:17: error E202 `then` is missing")
    assert (faulty / "rules" / "more.yaml").read_text() == "version: 1\nfilters: {weak: {when: {score: {lt: 1}}}}\n"


@pytest.mark.parametrize("breaks", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_breaks_marks_and_modes_are_kept(faulty: Path, breaks: str, mark: str) -> None:
    file = faulty / "rules" / "rules.yaml"
    file.write_bytes((mark + WRITTEN.replace("\n", breaks)).encode())
    file.chmod(0o640)

    rulemill("validate", "--fix", cwd=faulty)

    assert file.read_bytes() == (mark + MENDED.replace("\n", breaks)).encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["rules.yaml"]


def test_a_link_stays_a_link(faulty: Path) -> None:
    file = faulty / "rules" / "rules.yaml"
    file.rename(faulty / "elsewhere.yaml")
    file.symlink_to("../elsewhere.yaml")

    rulemill("validate", "--fix", cwd=faulty)

    assert file.is_symlink()
    assert (faulty / "elsewhere.yaml").read_text() == MENDED


def test_a_file_that_cannot_be_written_ends_with_2_and_stays_whole(faulty: Path) -> None:
    file = faulty / "rules" / "rules.yaml"
    (faulty / "locked").mkdir()
    file.rename(faulty / "locked" / "rules.yaml")
    file.symlink_to("../locked/rules.yaml")
    (faulty / "locked").chmod(0o500)
    try:
        ended = rulemill("validate", "--fix", cwd=faulty)
    finally:
        (faulty / "locked").chmod(0o700)

    if ended.returncode == 0:
        pytest.skip("this user may write anywhere")
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr
    assert (faulty / "locked" / "rules.yaml").read_text() == WRITTEN
