"""A rules directory as one snapshot."""

import os
from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset
from engine.rules.snapshot import KeptFiles, RulesUnreadable, digest_now, digest_of, read_rule_files, relative_to

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


def test_the_digest_of_now_is_that_of_a_ruleset_loaded_now(rules: Path) -> None:
    contents = load_ruleset(rules, {}).contents

    assert contents.digest == digest_now(rules, contents.named) == digest(rules)
    (rules.parent / "a.json").unlink()
    broken = load_ruleset(rules, {}).contents
    assert broken.named == contents.named
    assert broken.digest == digest_now(rules, broken.named) != contents.digest


def test_files_that_were_kept_stand_in_for_their_directory(rules: Path) -> None:
    loaded = load_ruleset(rules, {})
    kept = KeptFiles(rules, relative_to(rules, loaded.contents.files))
    (rules.parent / "a.json").unlink()
    (rules / "events.yaml").write_text("version: 2")

    again = load_ruleset(rules, {}, kept=kept)

    assert again.ruleset == loaded.ruleset
    assert again.contents == loaded.contents


def test_a_schema_that_was_not_kept_is_missing_though_it_is_there(rules: Path) -> None:
    kept = KeptFiles(rules, {"events.yaml": EVENTS.encode()})

    assert [finding.code for finding in load_ruleset(rules, {}, kept=kept).findings] == ["E309"]
