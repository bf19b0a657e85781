"""Bad rulesets that people write, each with the whole report they get. A new report is looked at before it is kept."""

from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset
from engine.rules.diagnostics import CODES
from engine.rules.reports import FORMS

BAD = Path(__file__).parents[2] / "data" / "rules" / "bad"
CASES = sorted(path.parent for path in BAD.glob("*/report.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_bad_ruleset_gets_exactly_this_report(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (case / "report.txt").read_text(encoding="utf-8")
    form = "human" if expected.startswith(("error[", "warning[")) else "concise"
    monkeypatch.chdir(case)

    loaded = load_ruleset(Path(), {})

    assert FORMS[form](loaded.findings, loaded.sources) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_only_errors_withhold_the_ruleset(case: Path) -> None:
    loaded = load_ruleset(case, {})

    assert loaded.findings
    assert (loaded.ruleset is None) == any(finding.severity == "error" for finding in loaded.findings)


def test_every_code_stands_in_some_report() -> None:
    reports = "".join((case / "report.txt").read_text(encoding="utf-8") for case in CASES)

    elsewhere = ("C", "E7")  # settings, and what servers say
    assert [code for code in CODES if code not in reports and not code.startswith(elsewhere)] == []
