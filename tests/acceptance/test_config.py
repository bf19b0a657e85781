"""`rulemill config` as a process."""

import json
from pathlib import Path

from tests.acceptance.processes import rulemill


def test_every_setting_is_shown_with_its_value_and_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("http:\n  port: 8081\nrules: {poll: 1m}\n")

    text = rulemill("config", cwd=tmp_path, EVENT_TOPIC="mine")
    as_json = rulemill("config", "--format", "json", cwd=tmp_path, EVENT_TOPIC="mine")

    assert (text.returncode, as_json.returncode) == (0, 0)
    lines = {line.split()[0]: line.split()[1:] for line in text.stdout.decode().splitlines()}
    assert lines["http.port"] == ["8081", "config.yaml:2:9"]
    assert lines["http.host"] == ["127.0.0.1", "default"]
    assert lines["topic"] == ["mine", "EVENT_TOPIC"]
    settings = {row.pop("name"): row for row in json.loads(as_json.stdout)["settings"]}
    assert settings["rules.poll"] == {"value": "1m", "origin": "config.yaml:3:15", "variable": "RULES_POLL", "default": "2s"}
    assert list(settings) == list(lines)


def test_those_that_are_changed_stand_alone_where_only_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("http:\n  port: 8080\nrules: {poll: 1m}\n")

    changed = rulemill("config", "--changed", cwd=tmp_path, EVENT_TOPIC="mine")
    (tmp_path / "config.yaml").unlink()
    nothing = rulemill("config", "--changed", cwd=tmp_path)

    assert [line.split() for line in changed.stdout.decode().splitlines()] == [
        ["rules.poll", "1m", "config.yaml:3:15"],
        ["topic", "mine", "EVENT_TOPIC"],
    ]
    assert (nothing.returncode, nothing.stdout) == (0, b"")


def test_faults_exit_with_2_all_at_once_and_nothing_is_printed_of_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("http: {port: x}\nstor: memory\n")

    ended = rulemill("config", "--config", "mine.yaml", cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"mine.yaml:1:14" in ended.stderr
    assert b"did you mean `store`?" in ended.stderr


def test_the_page_of_all_settings_needs_no_settings(tmp_path: Path, checkout: Path) -> None:
    (tmp_path / "config.yaml").write_text("nonsense")

    ended = rulemill("config", "--doc", cwd=tmp_path)

    assert ended.returncode == 0
    assert ended.stdout.decode() == (checkout / "docs" / "settings.md").read_text("utf-8")
