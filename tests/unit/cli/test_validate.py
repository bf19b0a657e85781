"""`validate-rules`: what it prints, and its exit codes."""

import argparse
import json
from pathlib import Path

import pytest

from engine.cli.validate import add_parser
from engine.rules.snapshot import RulesUnreadable

DATA = Path(__file__).parents[2] / "data" / "rules"
GOOD, BAD, DOUBTFUL = DATA / "good" / "split", DATA / "bad" / "misspelt_key", DATA / "bad" / "warn_unused"


def validate(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    chosen = parser.parse_args(["validate", *map(str, arguments)])
    code: int = chosen.run(chosen)
    return code


def test_good_rules_exit_with_0_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(GOOD) == 0
    assert capsys.readouterr().out == "no findings in 3 files\n"


def test_errors_exit_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(BAD, "--format", "concise") == 1
    assert capsys.readouterr().out.endswith(
        "error E201 unknown key `mod` in the filter `slow` (did you mean `mode`?)\n1 error in 1 file\n"
    )


def test_warnings_fail_only_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(DOUBTFUL) == 0
    assert validate(DOUBTFUL, "--fail-on", "warning") == 1
    assert capsys.readouterr().out.count("3 warnings in 1 file") == 2


def test_many_paths_make_one_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(GOOD, BAD, GOOD, "--format", "json") == 1

    report = json.loads(capsys.readouterr().out)
    assert (report["files"], report["errors"], report["warnings"]) == (4, 1, 0)


def test_a_file_stands_for_its_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(GOOD / "a.yaml") == 0
    assert "in 3 files" in capsys.readouterr().out


def test_the_default_path_is_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text("version: 2\n")
    monkeypatch.chdir(tmp_path)

    assert validate("--format", "concise") == 1
    assert capsys.readouterr().out.startswith("rules/a.yaml:1:1: error E216")


def test_a_path_that_is_not_there_is_the_tools_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RulesUnreadable, match="there is no rules directory"):
        validate(GOOD, tmp_path / "missing")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), ("[]", "expected one JSON object that holds an object for each id"), ("{}", None)],
)
def test_the_table_of_a_source_has_to_be_there_as_the_service_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, reason: str | None
) -> None:
    (tmp_path / "rules.yaml").write_text(
        "version: 1\n"
        "events: {type: kind, time: at, types: {a: {}}}\n"
        "enrichment:\n"
        "  sources:\n"
        "    user: {lookup: user_id, from: {file: {path: users.json}}, fields: [plan]}\n"
        "filters:\n"
        "  free: {when: {user.plan: free}, then: {allow: {mark: free}}}\n"
    )
    if content is not None:
        (tmp_path / "users.json").write_text(content)

    code = validate(tmp_path, "--format", "concise")

    place, table = f"{tmp_path}/rules.yaml:5:36", f"`{tmp_path}/users.json`"
    told = f"{place}: error E703 the table {table} cannot be read: {reason}"
    assert (code, told in capsys.readouterr().out) == ((0, False) if reason is None else (1, True))


@pytest.mark.parametrize(
    ("path", "help"), [("users.json", "the path is relative to this file"), ("$USERS", "a variable is written `${NAME}`")]
)
def test_a_table_that_is_not_there_may_be_a_variable_in_another_languages_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, help: str
) -> None:
    (tmp_path / "rules.yaml").write_text(
        "version: 1\n"
        "events: {type: kind, time: at, types: {a: {}}}\n"
        "enrichment:\n"
        f"  sources: {{user: {{lookup: user_id, from: {{file: {{path: {path}}}}}}}}}\n"
    )

    assert validate(tmp_path, "--format", "concise") == 1
    assert capsys.readouterr().out.count(f"({help})") == 1
