"""What `rulemill dlq` is asked wrongly, and what it does where there is nothing."""

from pathlib import Path

import pytest

from engine.cli.main import main


@pytest.mark.parametrize("arguments", [("ls",), ("ls", "--by", "stage"), ("replay",)])
def test_without_letters_there_is_nothing_to_do(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["dlq", *arguments]) == 0
    assert "there are no such letters in " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("ls", "--file", "missing"), "no file `missing`"),
        (("ls", "--since", "yesterday"), "how long ago: `2h`"),
        (("show", "17"), "no letter `17`"),
        (("replay", "--token", "@missing"), "missing"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dead-letters.ndjson").touch()

    assert main(["dlq", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rulemill: ")
    assert word in line
