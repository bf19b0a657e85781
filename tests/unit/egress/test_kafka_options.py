"""The settings of Kafka as its client takes them."""

from pathlib import Path

import pytest

from engine.egress.kafka_options import producer_config
from engine.errors import SettingsInvalid
from engine.settings import KafkaSettings

SECRET = "sesame-open"  # noqa: S105 - no secret


def refusal(**settings: object) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        producer_config(KafkaSettings(**settings))  # type: ignore[arg-type]
    return str(caught.value)


def test_what_delivery_rests_on_is_set() -> None:
    config = producer_config(KafkaSettings())

    assert (config["enable.idempotence"], config["acks"], config["message.timeout.ms"]) == (True, "all", 0)


def test_any_option_of_the_client_is_passed_on() -> None:
    config = producer_config(KafkaSettings(options="client.id=mine,socket.keepalive.enable=true"))  # type: ignore[arg-type]

    assert (config["client.id"], config["socket.keepalive.enable"]) == ("mine", "true")


@pytest.mark.parametrize("name", ["acks", "enable.idempotence", "message.timeout.ms", "retries", "transactional.id"])
def test_what_delivery_rests_on_cannot_be_changed(name: str) -> None:
    assert f"`{name}` cannot be set, as the delivery of records rests on it; remove it" in refusal(options=f"{name}=1")


def test_an_option_that_has_a_setting_is_sent_there() -> None:
    assert "`bootstrap.servers` has a setting of its own; set `kafka.bootstrap_servers`" in refusal(
        options="bootstrap.servers=a:1"
    )


def test_all_faults_are_told_at_once() -> None:
    said = refusal(options="acks=1,compression.type=gzip", security_protocol="sasl_ssl", ssl_ca=Path("/not/there"))

    assert [line[:2] for line in said.splitlines()[1:]] == ["- "] * 5


@pytest.mark.parametrize(
    ("option", "word"), [("linger=5", "No such configuration property"), ("socket.timeout.ms=soon", "Invalid value")]
)
def test_an_option_that_the_client_does_not_have_or_take_is_told(option: str, word: str) -> None:
    said = refusal(options=option)

    assert word in said
    assert "see `kafka.options`" in said


def test_a_user_without_sasl_is_told() -> None:
    assert "does nothing with `kafka.security_protocol: plaintext`" in refusal(sasl_username="me")


@pytest.mark.parametrize(
    ("name", "protocol", "other"),
    [
        ("ssl_ca", "plaintext", "ssl"),
        ("ssl_key_password_file", "plaintext", "ssl"),
        ("ssl_certificate", "sasl_plaintext", "sasl_ssl"),
        ("sasl_password", "plaintext", "sasl_ssl"),
        ("sasl_password_file", "ssl", "sasl_ssl"),
    ],
)
def test_what_does_nothing_with_the_protocol_is_told(tmp_path: Path, name: str, protocol: str, other: str) -> None:
    (tmp_path / "file").write_text(SECRET)
    sasl = {"sasl_username": "me", "sasl_password": SECRET} if protocol.startswith("sasl") else {}
    said = refusal(**{**sasl, name: SECRET if name == "sasl_password" else tmp_path / "file"}, security_protocol=protocol)

    assert said.splitlines()[1:] == [
        f"- `kafka.{name}` does nothing with `kafka.security_protocol: {protocol}`; write `{other}`, or remove it"
    ]


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")

    config = producer_config(
        KafkaSettings(
            security_protocol="sasl_plaintext",
            sasl_mechanism="scram-sha-512",
            sasl_username="me",
            sasl_password_file=tmp_path / "password",
        )
    )

    assert (config["sasl.mechanism"], config["sasl.username"], config["sasl.password"]) == ("SCRAM-SHA-512", "me", SECRET)


@pytest.mark.parametrize("option", ["group.id=mine", "isolation.level=read_committed", "fetch.min.bytes=3"])
def test_an_option_of_consumers_is_told_as_it_does_nothing_here(option: str) -> None:
    said = refusal(options=f"client.id=mine,{option}")

    assert f"- `kafka.options`: `{option.partition('=')[0]}` is for consumers and does nothing here; remove it" in said
    assert "client.id" not in said


def test_an_option_that_the_client_does_not_use_any_more_is_told() -> None:
    assert "`produce.offset.report` is not used any more" in refusal(options="produce.offset.report=true")


@pytest.mark.parametrize("option", ["queuing.strategy=fifo", "broker.version.fallback=0.10.0"])
def test_an_option_that_is_new_or_to_go_and_works_is_passed_on(option: str) -> None:
    name, _, value = option.partition("=")

    assert producer_config(KafkaSettings(options=option))[name] == value  # type: ignore[arg-type]


def test_the_password_of_a_key_comes_from_a_file_and_from_one_place_alone(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\r\n")
    given = {"security_protocol": "ssl", "ssl_key_password_file": tmp_path / "password"}

    assert producer_config(KafkaSettings(**given))["ssl.key.password"] == SECRET  # type: ignore[arg-type]
    assert "`kafka.ssl_key_password` and `kafka.ssl_key_password_file` are both set" in refusal(**given, ssl_key_password=SECRET)


@pytest.mark.parametrize("held", [b"", b"\nsesame-open", b"\xff\xfe"])
def test_a_file_without_a_password_is_told(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "password").write_bytes(held)
    said = refusal(security_protocol="sasl_ssl", sasl_username="me", sasl_password_file=tmp_path / "password")

    assert said.startswith(f"`kafka.sasl_password_file`: {tmp_path / 'password'} ")
    assert SECRET not in said
