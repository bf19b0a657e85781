"""Every code has a page, and the examples of a page are what they say."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.rules.code_pages import Page, document, page_of, shared_files
from engine.rules.compiler import load_ruleset
from engine.rules.diagnostics import CODES, Finding
from engine.rules.source_tables import table_findings
from engine.settings import Settings
from engine.settings_reading import SettingsFaulty, read_model

ASKED = ("E701", "E702")  # of servers: these examples are run in tests/integration, where there are some
PAGES = [page_of(code) for code in CODES]


def files_of(page: Page, kind: str) -> dict[str, str]:
    return {example.file: example.text for example in page.examples if example.kind == kind}


def found_in_rules(page: Page, kind: str, directory: Path) -> list[Finding]:
    examples = [example for example in page.examples if example.kind == kind]
    written = {} if any("alone" in example.words for example in examples) else shared_files()
    if not any("user." in example.text for example in examples):
        written.pop("enrichment.yaml", None)
    for example in examples:
        whole = example.text if example.text.startswith(("version:", "{")) else f"version: 1\n{example.text}"
        written[example.file] = whole
        if "\nevents:" in whole:
            written.pop("events.yaml", None)
    escaped = any("escaped" in example.words for example in examples)
    for name, text in written.items():
        raw = text.encode().decode("unicode_escape").encode("latin-1") if escaped else text.encode()
        (directory / name).write_bytes(raw)
    loaded = load_ruleset(directory, {})
    if page.code != "E703" or loaded.ruleset is None:
        return loaded.findings
    (directory / "users.json").write_text("{}")
    return [*loaded.findings, *table_findings(loaded.ruleset)]


def found_in_settings(page: Page, kind: str, directory: Path) -> list[Finding]:
    path: Path | None = None
    environ: Mapping[str, str] = {}
    for file, text in files_of(page, kind).items():
        if file == "config.yaml":
            path = directory / file
            path.write_text(text)
        else:
            environ = dict(line.split("=", 1) for line in text.splitlines())
    try:
        read_model(Settings, path, environ)
    except SettingsFaulty as error:
        return error.findings
    return []


def found(page: Page, kind: str, directory: Path) -> list[Finding]:
    of_settings = any(example.file == "config.yaml" or example.language == "sh" for example in page.examples)
    return (found_in_settings if of_settings else found_in_rules)(page, kind, directory)


@pytest.mark.parametrize("page", [page for page in PAGES if not page.code.startswith(ASKED)], ids=lambda page: page.code)
def test_the_bad_example_of_a_page_has_its_code_and_no_other(page: Page, tmp_path: Path) -> None:
    assert {finding.code for finding in found(page, "bad", tmp_path)} == {page.code}


@pytest.mark.parametrize("page", [page for page in PAGES if page.code.startswith(ASKED)], ids=lambda page: page.code)
def test_what_servers_find_wrong_nobody_finds_without_them(page: Page, tmp_path: Path) -> None:
    assert files_of(page, "bad")
    assert found(page, "bad", tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.code)
def test_the_good_example_of_a_page_has_no_findings(page: Page, tmp_path: Path) -> None:
    assert files_of(page, "good")
    assert [(finding.code, finding.message) for finding in found(page, "good", tmp_path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.code)
def test_a_page_says_what_its_code_means_and_what_to_do(page: Page) -> None:
    assert page.meaning
    assert page.remedy
    assert page.markdown().startswith(f"# {page.code}: {CODES[page.code]}\n")


def test_the_documentation_has_the_pages_as_the_command_prints_them(checkout: Path) -> None:
    assert (checkout / "docs" / "codes.md").read_text(encoding="utf-8") == document(), (
        "`validate-rules --explain all > docs/codes.md`"
    )
