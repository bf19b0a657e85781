"""`validate-rules` as a process: what it prints for people and for machines, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import TIMEOUT_S, environment, rulemill

MISSPELT = "version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\nfilter: {}\n"
UNUSED_LIST = "version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\nlists: {agents: [robot]}\n"


@pytest.fixture
def misspelt(tmp_path: Path) -> Path:
    return written(tmp_path, MISSPELT)


@pytest.fixture
def doubtful(tmp_path: Path) -> Path:
    return written(tmp_path, UNUSED_LIST)


def written(directory: Path, text: str) -> Path:
    (directory / "rules").mkdir()
    (directory / "rules" / "rules.yaml").write_text(text)
    return directory


def test_good_rules_exit_with_0(project: Path) -> None:
    ended = rulemill("validate", cwd=project)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"no findings in 2 files\n", b"")


def test_an_error_exits_with_1_and_is_shown_with_its_line_and_what_to_write_instead(misspelt: Path) -> None:
    ended = rulemill("validate", "rules", cwd=misspelt)

    assert ended.returncode == 1
    shown = ended.stdout.decode()
    assert "rules/rules.yaml:3:1" in shown
    assert "filter: {}" in shown
    assert "did you mean `filters`?" in shown


def test_the_concise_form_has_a_line_for_each_finding_and_one_for_the_sum(misspelt: Path) -> None:
    ended = rulemill("validate", "--format", "concise", cwd=misspelt)

    assert ended.returncode == 1
    finding, total = ended.stdout.decode().splitlines()
    assert finding.startswith("rules/rules.yaml:3:1: error E")
    assert total == "1 error in 1 file"


def test_the_json_form_is_one_document_that_says_the_same(misspelt: Path) -> None:
    ended = rulemill("validate", "--format", "json", cwd=misspelt)

    assert ended.returncode == 1
    report = json.loads(ended.stdout)
    assert (report["files"], report["errors"], report["warnings"]) == (1, 1, 0)
    (finding,) = report["findings"]
    assert (finding["file"], finding["line"], finding["severity"]) == ("rules/rules.yaml", 3, "error")


def test_the_json_form_of_good_rules_has_no_findings(project: Path) -> None:
    ended = rulemill("validate", "--format", "json", cwd=project)

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["findings"] == []


def test_a_warning_fails_only_where_that_is_asked_for(doubtful: Path) -> None:
    by_default = rulemill("validate", cwd=doubtful)
    when_asked = rulemill("validate", "--fail-on", "warning", cwd=doubtful)

    assert (by_default.returncode, when_asked.returncode) == (0, 1)
    assert b"1 warning in 1 file" in by_default.stdout
    assert by_default.stdout == when_asked.stdout


@pytest.mark.parametrize("arguments", [["missing"], ["rules", "missing"], ["--format", "prose"], ["--no-such-flag"], ["empty"]])
def test_what_the_tool_cannot_do_exits_with_2_and_prints_no_report(project: Path, arguments: list[str]) -> None:
    (project / "empty").mkdir()

    ended = rulemill("validate", *arguments, cwd=project)

    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"Traceback" not in ended.stderr
    assert ended.stderr.strip()


def test_the_command_of_its_own_is_the_same(misspelt: Path) -> None:
    entry_point = "import sys; from engine.cli.validate_rules import main; sys.exit(main())"
    command = [sys.executable, "-c", entry_point, "rules", "--format", "json"]

    ended = subprocess.run(command, cwd=misspelt, env=environment(), capture_output=True, timeout=TIMEOUT_S, check=False)

    ours = rulemill("validate", "rules", "--format", "json", cwd=misspelt)
    assert (ended.returncode, ended.stdout) == (ours.returncode, ours.stdout)
