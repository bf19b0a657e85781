"""The rulesets with tests that the documents show: their tests pass."""

import re
from pathlib import Path

import pytest

from engine.app import SOURCE_KINDS
from engine.clock import SystemClock
from engine.rules.reports import human as findings_report
from engine.trials.bench import Surroundings
from engine.trials.reports import human
from engine.trials.runner import run_tests

DOCS = Path(__file__).parents[2] / "docs"
RULESETS = {
    f"{page.name}-{number}": text
    for page in (DOCS / "testing-rules.md", DOCS / "rules.md")
    for number, text in enumerate(re.findall(r"^```yaml ruleset\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    if "\ntests:" in text
}


@pytest.mark.parametrize("name", RULESETS)
def test_the_tests_of_a_documented_ruleset_pass(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULESETS[name], "utf-8")

    session = run_tests(tmp_path, "", Surroundings({}, SOURCE_KINDS, SystemClock()))

    assert session.results, findings_report(session.compiled.findings, session.compiled.sources)
    assert all(result.passed for result in session.results), human(session.results, verbose=False, colour=False)


def test_the_page_on_rule_tests_shows_a_ruleset_that_can_be_run() -> None:
    assert "testing-rules.md-0" in RULESETS
