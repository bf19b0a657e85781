"""Whole rulesets as other people write them, with their tests and some of their events: nothing is found in them, and every command runs them."""

import json
from pathlib import Path
from typing import Final

import pytest

from engine.cli.main import main
from engine.enrichment.kinds import MODULES
from engine.rules.compiler import compile_rules
from engine.rules.mending import mend

WHOLE: Final = Path(__file__).parents[1] / "data" / "rules" / "whole"
OUTCOMES: Final = ("accepted", "duplicate", "blocked", "rejected")
EXPECTED: Final = {
    "ad_clicks": (2, 0, 0, 1),
    "flow": (3, 0, 0, 0),
    "game": (1, 1, 1, 0),
    "logs": (1, 0, 1, 1),
    "one_file": (2, 1, 0, 0),
    "payments": (1, 0, 0, 2),
    "sensors": (2, 0, 1, 0),
    "shop": (1, 1, 0, 1),
}


def test_each_of_them_is_expected_here() -> None:
    assert {path.name for path in WHOLE.iterdir()} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_whole_ruleset_has_no_findings_and_nothing_to_mend(name: str) -> None:
    rules = WHOLE / name / "rules"

    assert [(finding.code, finding.message) for finding in compile_rules(rules, {}, MODULES).findings] == []
    assert mend(rules, {}, MODULES).files == {}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_tests_of_a_whole_ruleset_pass_and_its_events_have_their_outcomes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules, events = str(WHOLE / name / "rules"), str(WHOLE / name / "events.ndjson")
    monkeypatch.chdir(tmp_path)

    assert main(["test", rules]) == 0
    tested = capsys.readouterr()
    assert " passed in " in tested.out
    assert main(["process", events, "--rules", rules, "--out", "out.ndjson"]) == 0
    summary = json.loads(capsys.readouterr().out)

    assert tuple(summary[outcome] for outcome in OUTCOMES) == EXPECTED[name]
