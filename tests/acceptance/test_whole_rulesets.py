"""Whole rulesets as other people write them, with their tests and some of their events: nothing is found in them, and every command runs them."""

import json
from pathlib import Path
from typing import Final

import pytest

from engine.enrichment.kinds import MODULES
from engine.rules.compiler import compile_rules
from engine.rules.mending import mend
from tests.acceptance.processes import rulemill

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
def test_the_tests_of_a_whole_ruleset_pass_and_its_events_have_their_outcomes(name: str, tmp_path: Path) -> None:
    rules = WHOLE / name / "rules"

    tested = rulemill("test", rules, cwd=tmp_path)
    processed = rulemill("process", WHOLE / name / "events.ndjson", "--rules", rules, "--out", "out.ndjson", cwd=tmp_path)

    assert (tested.returncode, tested.stderr) == (0, b"")
    assert (processed.returncode, processed.stderr) == (0, b"")
    summary = json.loads(processed.stdout)
    assert tuple(summary[outcome] for outcome in OUTCOMES) == EXPECTED[name]
