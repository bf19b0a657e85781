"""A worker starts with what the supervisor has read, secrets and rules included."""

from pathlib import Path

from engine.rules.compiler import compile_rules
from engine.settings import load_settings
from engine.workers.briefing import Briefing, arrived, carried, read, written
from tests.unit.operations.rules_project import Project

TOKEN = "0123456789abcdef" * 2


def test_settings_arrive_as_they_were_secrets_included(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"http: {{ingest_tokens: [{TOKEN}], max_body: 1MiB}}\nprocessor: {{shutdown_timeout: 5s, enabled: no}}\n")
    settings = load_settings(config, {"EVENT_PROCESSOR_WORKERS": "3", "RULES_LAST_GOOD": "state/good.json"})
    briefing = Briefing(
        2, settings, Path("rules"), {"digest": "d", "files": {"a.yaml": "ü"}}, demo=True, channel=5, connections=6
    )

    again = read(written(briefing))

    assert again == briefing
    assert [token.get_secret_value() for token in again.settings.http.ingest_tokens] == [TOKEN]


def test_rules_arrive_as_they_were_whatever_the_directory_says_by_then(tmp_path: Path) -> None:
    project = Project(tmp_path)
    compiled = compile_rules(project.rules, {})
    sent = carried(project.rules, compiled.contents)
    project.filters.write_text("broken: [")
    project.schema.unlink()

    again = compile_rules(project.rules, {}, kept=arrived(project.rules, sent))

    assert again.plan is not None
    assert again.contents.digest == compiled.contents.digest
