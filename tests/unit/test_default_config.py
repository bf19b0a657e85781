"""The `config.yaml` of the checkout says what the defaults are, names every setting, and where each can be overridden."""

import re
from pathlib import Path

import pytest
import yaml

from engine.settings import load_settings, read_settings


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A settings file that sets nothing."""
    path = tmp_path / "config.yaml"
    path.write_text("")
    return path


@pytest.fixture
def written(checkout: Path) -> str:
    """The file with the settings that have no default, which are commented out in it."""
    return re.sub(r"^( *)# (\w+: \S+ # [A-Z_]+\b)", r"\1\2", (checkout / "config.yaml").read_text("utf-8"), flags=re.MULTILINE)


def leaves(tree: dict[str, object]) -> int:
    return sum(leaves(value) if isinstance(value, dict) else 1 for value in tree.values())


def test_the_file_repeats_the_defaults(checkout: Path, nothing: Path) -> None:
    assert load_settings(checkout / "config.yaml", {}) == load_settings(nothing, {})


def test_the_file_names_every_setting(written: str, nothing: Path) -> None:
    assert leaves(yaml.safe_load(written)) == leaves(load_settings(nothing, {}).model_dump())


def test_the_variable_beside_a_value_sets_it(written: str, nothing: Path) -> None:
    beside = re.findall(r"^ *\w+: (\S+) # ([A-Z][A-Z_]+)\b", written, re.MULTILINE)
    _, places = read_settings(nothing, {variable: value for value, variable in beside})

    assert set(places.values()) == {variable for _, variable in beside}
    assert len(places) == leaves(load_settings(nothing, {}).model_dump())
