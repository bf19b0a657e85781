"""Variables that other programs have for what is a setting here: told where nothing else says what is meant."""

from pathlib import Path

import pytest

from engine.settings import load_settings, read_settings, servers_left_aside
from engine.settings_reading import SettingsFaulty


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("other", "own", "name"),
    [
        ("REDIS_HOST", "REDIS_ADDRESS", "redis.address"),
        ("REDIS_PORT", "REDIS_ADDRESS", "redis.address"),
        ("REDIS_URL", "REDIS_ADDRESS", "redis.address"),
        ("REDIS_DB", "REDIS_DEDUPLICATION_DB", "redis.deduplication_db"),
        ("REDIS_PASWORD", "REDIS_PASSWORD", "redis.password"),
        ("REDIS_PASSWORDFILE", "REDIS_PASSWORD_FILE", "redis.password_file"),
        ("KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap_servers"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap_servers"),
    ],
)
def test_a_variable_that_others_have_for_a_setting_that_is_not_set_is_a_fault(other: str, own: str, name: str) -> None:
    secret = "redis://:hunter2-hunter2@there:1"  # noqa: S105 - no secret

    with pytest.raises(SettingsFaulty) as caught:
        load_settings(None, {"STATE_STORE": "redis", "EVENT_EGRESS": "kafka", other: secret})

    (finding,) = caught.value.findings
    assert (finding.code, finding.span.file) == ("C006", other)
    assert finding.message == f"`{other}` is no setting, and `{name}` is left at its default"
    assert finding.help == f"write `{own}`, or unset `{other}`"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "others",
    [
        {"REDIS_HOST": "there", "REDIS_ADDRESS": "here:6379"},
        {"REDISCLI_AUTH": "secret", "REDIS_AUTH": "secret", "REDIS_PASSWORD_FILE": "/run/secrets/redis"},
        {"REDIS_PORT": "tcp://10.0.0.1:6379", "REDIS_SERVICE_HOST": "10.0.0.1", "REDIS_PORT_6379_TCP_PORT": "6379"},
        {"KAFKA_BROKERS": "there:9092"},
        {"KAFKA_HEAP_OPTS": "-Xmx1g", "REDIS_HOST": ""},
    ],
    ids=["its own is set", "a file is set", "made by Kubernetes", "of what is not used", "of other meaning, or empty"],
)
def test_variables_of_others_are_left_alone_where_nothing_is_lost_by_it(others: dict[str, str]) -> None:
    load_settings(None, {"STATE_STORE": "redis", **others})


def test_servers_that_are_named_and_not_used_are_told_of_unless_that_is_meant(tmp_path: Path) -> None:
    named = {"REDIS_ADDRESS": "redis:6379", "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    meant = {"STATE_STORE": "sqlite", "EVENT_EGRESS": "file"}
    used = {"STATE_STORE": "redis", "EVENT_EGRESS": "kafka"}
    (tmp_path / "config.yaml").write_text("store: sqlite\nredis: {address: other:6379}\negress: file\n")

    assert servers_left_aside(*read_settings(None, named)) == [
        "REDIS_ADDRESS is set, and state is kept in `store: sqlite`; for Redis set STATE_STORE to `redis`",
        "KAFKA_BOOTSTRAP_SERVERS is set, and records go to files; for Kafka set EVENT_EGRESS to `kafka`",
    ]
    assert [servers_left_aside(*read_settings(None, environ)) for environ in ({}, named | meant, named | used)] == [[], [], []]
