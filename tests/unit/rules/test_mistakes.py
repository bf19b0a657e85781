"""Mistakes that people make in the default rules: each is found on its line, and what the finding says to write mends it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from engine.enrichment.kinds import MODULES
from engine.rules.compiler import load_ruleset
from engine.rules.diagnostics import Finding
from engine.rules.mending import mend
from engine.rules.reports import FORMS

DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class Mistake:
    file: str
    old: str
    new: str
    code: str = ""
    at: str = ""
    mended: bool = False
    becomes: str = ""
    elsewhere: bool = False
    missed: str = ""


MISTAKES = [
    Mistake(file, **entry)
    for file, entries in yaml.safe_load((DATA / "mistakes.yaml").read_text(encoding="utf-8")).items()
    for entry in entries
]


@pytest.fixture(scope="module")
def rules(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("default")
    for folder in ("rules", "schemas"):
        shutil.copytree(checkout / folder, root / folder)
    return root / "rules"


def found(rules: Path, mistake: Mistake) -> tuple[list[Finding], bool]:
    """The findings in the file at fault that have the code, and whether one of them is on the right line."""
    path = rules / mistake.file
    loaded = load_ruleset(rules, {}, MODULES)
    for form in FORMS.values():
        assert form(loaded.findings, loaded.sources)
    right = path.read_text(encoding="utf-8").split("\n")
    wanted = (
        mistake.at or next(line for line, old in zip(right, text_without(right, mistake), strict=False) if line != old).strip()
    )
    here = [finding for finding in loaded.findings if finding.span.file == str(path) and finding.code == mistake.code]
    return here, any(right[finding.span.line - 1].strip() == wanted for finding in here)


def text_without(lines: list[str], mistake: Mistake) -> list[str]:
    return "\n".join(lines).replace(mistake.new, mistake.old).split("\n")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.file}-{mistake.new.strip()[:40]}")
def test_a_mistake_is_found_on_its_line_and_can_be_mended_as_it_says(rules: Path, mistake: Mistake) -> None:
    path = rules / mistake.file
    good = path.read_text(encoding="utf-8")
    assert good.count(mistake.old) == 1
    bad = good.replace(mistake.old, mistake.new)
    path.write_text(bad, encoding="utf-8")
    try:
        findings, on_its_line = found(rules, mistake)
        assert on_its_line is not bool(mistake.missed)
        assert mistake.missed or any(finding.help or finding.fix or finding.edits for finding in findings)
        mended = mend(rules, {}, MODULES)
    finally:
        path.write_text(good, encoding="utf-8")

    if mistake.mended or mistake.becomes:
        wanted = good.replace(mistake.old, mistake.becomes or mistake.old)
        assert mended.loaded.findings == []
        assert mended.files[str(path)].decode() == wanted or mistake.elsewhere


def test_of_more_than_two_hundred_at_most_one_in_twenty_is_missed() -> None:
    assert len(MISTAKES) >= 200
    assert sum(bool(mistake.missed) for mistake in MISTAKES) <= len(MISTAKES) / 20
