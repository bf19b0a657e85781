"""Rule files in an editor: the YAML language server with the schema that `rulemill schema` prints."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.rules.editor_schema import editor_schema
from tests.integration.language_server import LanguageServer
from tests.integration.node_packages import node_packages

HEAD = "# yaml-language-server: $schema=../rules.schema.json\nversion: 1\n"


@pytest.fixture(scope="module")
def editor(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """A server with the default rules open, and their schema beside them."""
    packages = node_packages(checkout)
    folder = tmp_path_factory.mktemp("project")
    for name in ("rules", "schemas"):
        shutil.copytree(checkout / name, folder / name)
    (folder / "rules.schema.json").write_text(json.dumps(editor_schema(folder / "rules")))
    command = ["node", str(packages / "yaml-language-server" / "bin" / "yaml-language-server"), "--stdio"]
    with LanguageServer(command, folder) as server:
        yield server


def completions(editor: LanguageServer, name: str, text: str) -> set[str]:
    """The labels that are offered where `|` stands in the text."""
    before, after = text.split("|")
    editor.open(f"rules/{name}.yaml", HEAD + before + after)
    line = (HEAD + before).count("\n")
    answer = editor.at("textDocument/completion", f"rules/{name}.yaml", line, len(before.rsplit("\n", 1)[-1]))
    return {item["label"] for item in (answer["items"] if isinstance(answer, dict) else answer)}


@pytest.mark.parametrize("name", ["events", "deduplication", "enrichment", "aggregations", "filters", "conditions"])
def test_the_default_rules_have_no_marks(editor: LanguageServer, checkout: Path, name: str) -> None:
    text = (checkout / "rules" / f"{name}.yaml").read_text()

    assert editor.open(f"rules/{name}.yaml", HEAD.splitlines(keepends=True)[0] + text) == []


def test_fields_of_events_and_of_sources_are_offered(editor: LanguageServer) -> None:
    offered = completions(editor, "fields", "filters:\n  slow:\n    when:\n      |\n    then: {allow: {}}\n")

    assert {
        "response_time_ms",
        "user_agent",
        "user.user_type",
        "item.difficulty",
        "derived.difficulty_fit",
        "all",
        "any",
    } <= offered


def test_operators_are_offered_after_a_field(editor: LanguageServer) -> None:
    text = "filters:\n  slow:\n    when:\n      response_time_ms:\n        |\n    then: {allow: {}}\n"

    assert {"lt", "gte", "between", "exists"} <= completions(editor, "operators", text)


def test_event_types_and_routes_are_offered_as_values(editor: LanguageServer) -> None:
    types = completions(editor, "types", "filters:\n  slow:\n    when:\n      event_type: |\n    then: {allow: {}}\n")
    routes = completions(editor, "routes", "filters:\n  slow:\n    when: {score: 1}\n    then:\n      route:\n        to: |\n")

    assert {"attempt", "session", "placement"} <= types
    assert {"premium-analytics", "onboarding"} <= routes


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (4, "filters:\n  slow:\n    wen: {score: 1}\n    then: {allow: {}}\n"),
        (4, "filters:\n  slow:\n    when: {response_time_ms: {less: 1}}\n    then: {allow: {}}\n"),
        (5, "filters:\n  slow:\n    when: {score: 1}\n    then: {alow: {}}\n"),
        (3, "deduplication:\n  attempt: {key: client_attempt_id, ttl: 24}\n"),
        (3, "events:\n  typ: event_type\n  time: timestamp\n  types: {attempt: {}}\n"),
    ],
)
def test_a_mistake_is_marked_on_its_line(editor: LanguageServer, line: int, text: str) -> None:
    marks = editor.open(f"rules/mistake_{abs(hash(text))}.yaml", HEAD + text)

    assert line in {mark["range"]["start"]["line"] for mark in marks}


def test_a_key_says_what_it_means_while_the_mouse_rests_on_it(editor: LanguageServer) -> None:
    editor.open("rules/hover.yaml", HEAD + "filters:\n  slow:\n    when: {score: 1}\n    then: {allow: {}}\n")

    hover = editor.at("textDocument/hover", "rules/hover.yaml", 2, 2)

    assert "Which events are stopped" in json.dumps(hover)
