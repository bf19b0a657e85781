"""`rulemill schema`: where it writes, and its exit codes."""

import json
from pathlib import Path

import pytest

from engine.cli.main import main

DATA = Path(__file__).parents[2] / "data" / "rules"
GOOD, BAD = DATA / "good" / "split", DATA / "bad" / "misspelt_key"


def test_without_a_directory_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--rules", str(GOOD)]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_rules_are_named_as_for_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--rules", str(GOOD)]) == 0
    named = capsys.readouterr().out

    assert main(["schema", str(GOOD)]) == 0
    assert capsys.readouterr().out == named


def test_with_a_directory_the_file_is_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "editor"

    assert main(["schema", "--rules", str(GOOD), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out / 'rules.schema.json'}\n"
    assert "filters" in json.loads((out / "rules.schema.json").read_text(encoding="utf-8"))["properties"]


def test_the_same_rules_make_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--rules", str(GOOD)]) == 0
    first = capsys.readouterr().out
    assert main(["schema", "--rules", str(GOOD)]) == 0
    assert capsys.readouterr().out == first


def test_rules_with_errors_have_a_schema_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--rules", str(BAD)]) == 0
    assert "filters" in json.loads(capsys.readouterr().out)["properties"]


def test_the_default_directory_is_rules(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)

    assert main(["schema"]) == 0
    assert "user.user_type" in json.loads(capsys.readouterr().out)["$defs"]["condition"]["properties"]


def test_a_directory_that_is_not_there_is_the_tools_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--rules", str(tmp_path / "missing")]) == 2
    assert "there is no rules directory" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_the_tools_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("")

    assert main(["schema", "--rules", str(GOOD), "--out", str(tmp_path / "taken")]) == 2
    assert str(tmp_path / "taken") in capsys.readouterr().err
