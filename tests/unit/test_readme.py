"""What the documents say about rules compiles, what they say about commands exists, and where they point there is something."""

import re
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from engine.app import SOURCE_KINDS
from engine.cli.main import main
from engine.rules.compiler import compile_rules
from engine.rules.parse_aggregations import BUILT_IN_MEASURES
from engine.rules.parse_operands import OPERATORS
from engine.rules.reports import human

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "docs" / "rules.md").read_text("utf-8")
ENRICHMENT = (ROOT / "docs" / "enrichment.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

BLOCKS = re.findall(r"^```yaml (ruleset|section)\n(.*?)^```$", RULES + README + ENRICHMENT, re.MULTILINE | re.DOTALL)
RULESETS = [text for mark, text in BLOCKS if mark == "ruleset"]
SECTIONS = [text for mark, text in BLOCKS if mark == "section"]
OPERATOR_ROWS = re.findall(r"^\| `(\w+)` \| `(.+?)` \| ", RULES, re.MULTILINE)


def findings_of(directory: Path, **files: str) -> str:
    """What the validator says of a directory with these files; empty where it says nothing."""
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text, "utf-8")
    compiled = compile_rules(directory, {}, SOURCE_KINDS)
    return human(compiled.findings, compiled.sources) if compiled.findings or compiled.plan is None else ""


@cache
def help_of(*command: str) -> str:
    """What a command's `--help` prints."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as wide, redirect_stdout(printed):
        wide.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit, match="0"):
            main([*command, "--help"])
    return printed.getvalue()


@pytest.mark.parametrize("ruleset", RULESETS)
def test_a_ruleset_in_a_document_compiles_without_findings(ruleset: str, tmp_path: Path) -> None:
    assert not findings_of(tmp_path, rules=ruleset)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_in_a_document_compiles_beside_the_first_ruleset_without_findings(section: str, tmp_path: Path) -> None:
    assert not findings_of(tmp_path, events=RULESETS[0], section=section)


@pytest.mark.parametrize(("operator", "test"), OPERATOR_ROWS)
def test_the_example_of_an_operator_uses_it_and_compiles_without_findings(operator: str, test: str, tmp_path: Path) -> None:
    example = f"version: 1\nfilters:\n  example:\n    when:\n      {test}\n    then: {{allow: {{}}}}\n"

    assert f"{operator}:" in test
    assert not findings_of(tmp_path, events=RULESETS[0], example=example)


def test_the_reference_has_a_row_for_every_operator() -> None:
    assert sorted(operator for operator, _ in OPERATOR_ROWS) == sorted(OPERATORS)


def test_the_reference_shows_every_measure() -> None:
    shown = "\n".join(SECTIONS)

    assert [name for name in BUILT_IN_MEASURES if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_names_is_one(document: Path) -> None:
    text = document.read_text("utf-8")
    named = {command for pair in re.findall(r"`rulemill (\w+)|-m engine (\w+)", text) for command in pair if command}
    known = set(re.findall(r"^    (\w+) ", help_of(), re.MULTILINE))

    assert named <= known


def test_every_option_in_the_readme_belongs_to_a_command() -> None:
    commands = re.findall(r"^    (\w+) ", help_of(), re.MULTILINE)
    helps = "".join(help_of(command) for command in commands)
    code = re.findall(r"`([^`\n]*)`", README)
    options = {option for text in code for option in re.findall(r"(?<!\S)--[a-z-]+", text)}

    assert options
    assert {option for option in options if option not in helps} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_points_to_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    links = [document.parent / target for target in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:engine|tests|tools|docs|rules|requirements)/[\w./-]+)`", text)]

    assert [str(path) for path in [*links, *named] if not path.exists()] == []
