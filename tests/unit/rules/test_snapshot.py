"""A rules directory as one snapshot."""

import os
from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset
from engine.rules.snapshot import RulesUnreadable, digest_of, read_rule_files

EVENTS = "version: 1\nevents: {type: t, time: at, types: {a: {schema: ../a.json}}}\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "events.yaml").write_text(EVENTS)
    (tmp_path / "a.json").write_text('{"type": "object"}')
    return directory


def digest(directory: Path) -> str:
    ruleset = load_ruleset(directory, {}).ruleset
    assert ruleset is not None
    return ruleset.digest


def test_every_yaml_file_below_belongs_to_it_and_hidden_ones_do_not(rules: Path) -> None:
    for name in ("b.yml", "deep/er/c.yaml", ".hidden.yaml", "..data/d.yaml", "notes.txt", "e.yaml.bak"):
        (rules / name).parent.mkdir(parents=True, exist_ok=True)
        (rules / name).write_text("version: 1")

    assert [os.path.relpath(path, rules) for path in read_rule_files(rules)] == ["b.yml", "deep/er/c.yaml", "events.yaml"]


def test_the_digest_does_not_depend_on_where_the_directory_lies(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = digest(rules)
    monkeypatch.chdir(rules)

    assert digest(Path()) == absolute
    assert len(absolute) == 64


def test_the_digest_changes_with_any_byte_schemas_included(rules: Path) -> None:
    seen = {digest(rules)}
    (rules.parent / "a.json").write_text('{"type": "object" }')
    seen.add(digest(rules))
    (rules / "events.yaml").write_text(EVENTS + "\n")
    seen.add(digest(rules))
    (rules / "more.yaml").write_text("version: 1\n")
    seen.add(digest(rules))
    (rules / "more.yaml").rename(rules / "other.yaml")
    seen.add(digest(rules))

    assert len(seen) == 5


def test_names_and_contents_cannot_be_mistaken_for_each_other() -> None:
    assert digest_of(Path(), {"a": b"bc"}) != digest_of(Path(), {"ab": b"c"})


def test_nothing_to_read_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(RulesUnreadable, match=r"there is no rules directory `.*missing`"):
        read_rule_files(tmp_path / "missing")
    with pytest.raises(RulesUnreadable, match=r"there are no `\*.yaml` files in"):
        read_rule_files(tmp_path)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(rules: Path) -> None:
    (rules / "gone.yaml").symlink_to(rules / "nowhere.yaml")

    with pytest.raises(RulesUnreadable, match=r"cannot read `.*gone.yaml`"):
        read_rule_files(rules)
