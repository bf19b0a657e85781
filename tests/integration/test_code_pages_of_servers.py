"""The pages of what servers say: their examples are asked of a broker, as `validate --online` does."""

from pathlib import Path

import pytest

from engine.cli.online import online_findings
from engine.rules.code_pages import page_of, shared_files
from engine.rules.compiler import load_ruleset
from engine.settings import Settings
from engine.settings_reading import read_model
from tests.servers.kafka import make_topic
from tools.servers.kafka import Kafka


def example(code: str, kind: str) -> str:
    [found] = [example for example in page_of(code).examples if example.kind == kind]
    return found.text


def codes(rules: str, config: str, directory: Path) -> list[str]:
    (directory / "rules").mkdir()
    for name, text in {**shared_files(), "rules.yaml": f"version: 1\n{rules}"}.items():
        (directory / "rules" / name).write_text(text)
    (directory / "config.yaml").write_text(f"{config}  start_timeout: 2s\n")
    settings, _ = read_model(Settings, directory / "config.yaml", {})
    return [finding.code for finding in online_findings([load_ruleset(directory / "rules", {})], settings)]


@pytest.mark.parametrize(("kind", "found"), [("bad", ["E701"]), ("good", [])])
def test_a_route_needs_a_topic_that_is_there(kafka: Kafka, kind: str, found: list[str], tmp_path: Path) -> None:
    main_topic = make_topic(kafka.bootstrap)
    if kind == "good":
        make_topic(kafka.bootstrap, name="events.slow")
    config = f"egress: kafka\nkafka:\n  bootstrap_servers: {kafka.bootstrap}\n  topic: {main_topic}\n"

    assert codes(example("E701", kind), config, tmp_path) == found


def test_brokers_have_to_be_where_the_settings_say(kafka: Kafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap)
    good = example("E702", "good").replace("localhost:9092", kafka.bootstrap) + f"  topic: {topic}\n"
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()

    assert codes("", example("E702", "bad"), tmp_path / "bad") == ["E702"]
    assert codes("", good, tmp_path / "good") == []
