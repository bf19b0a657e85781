"""The list of all settings, and the page that is made of it."""

from pathlib import Path

from engine.settings import Settings, read_settings
from engine.settings_list import MEANINGS, rows, settings_page
from engine.settings_reading import settings_of


def test_every_setting_has_a_meaning_and_nothing_else_has() -> None:
    assert list(MEANINGS) == [setting.name for setting in settings_of(Settings)]


def test_the_committed_page_is_the_one_that_the_code_makes(checkout: Path) -> None:
    assert (checkout / "docs" / "settings.md").read_text("utf-8") == settings_page(), (
        "run: rulemill config --doc > docs/settings.md"
    )


def test_every_value_is_shown_as_it_can_be_written(tmp_path: Path) -> None:
    """What is shown, written to the environment, gives the same settings again."""
    path = tmp_path / "config.yaml"
    path.write_text("http: {max_body: 3MiB, port: 1}\nrules: {poll: 90s}\nprocessor: {shutdown_timeout: 0s, enabled: no}\n")
    settings, origins = read_settings(path, {})
    shown = rows(settings, origins)

    again, _ = read_settings(path, {row.variable: row.value for row in shown})

    assert again == settings
    assert {row.name: (row.value, row.origin) for row in shown if row.origin != "default"} == {
        "http.max_body": ("3MiB", f"{path}:1:18"),
        "http.port": ("1", f"{path}:1:30"),
        "rules.poll": ("90s", f"{path}:2:15"),
        "processor.shutdown_timeout": ("0ms", f"{path}:3:31"),
        "processor.enabled": ("false", f"{path}:3:44"),
    }
