"""Correct rulesets in the styles and trades of other people: nothing is found in any of them."""

import shutil
from pathlib import Path

import pytest

from engine.enrichment.kinds import MODULES
from engine.rules.compiler import compile_rules
from engine.rules.mending import mend

STYLES = sorted((Path(__file__).parents[2] / "data" / "rules" / "styles").iterdir())


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.stem)
def test_correct_rules_have_no_findings_and_nothing_to_mend(style: Path, tmp_path: Path) -> None:
    shutil.copy(style, tmp_path)

    compiled = compile_rules(tmp_path, {}, MODULES)

    assert [(finding.code, finding.message) for finding in compiled.findings] == []
    assert compiled.plan is not None
    assert mend(tmp_path, {}, MODULES).files == {}


def test_there_are_thirty_of_them() -> None:
    assert len(STYLES) >= 30
