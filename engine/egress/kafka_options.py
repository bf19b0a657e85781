"""The settings of Kafka as its client takes them.

In: settings. Out: a configuration of librdkafka. Rule of the file: what the delivery of records rests on cannot be set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from engine.errors import SettingsInvalid
from engine.settings import KafkaSettings

Config = dict[str, Any]

_DELIVERY: Final[Mapping[str, str | int | bool]] = {
    "enable.idempotence": True,  # retries neither double records nor change their order
    "acks": "all",
    "message.timeout.ms": 0,  # a record that timed out may be on its topic all the same: it is never given up
    "queue.buffering.max.messages": 200_000,  # more than is ever handed over
    "queue.buffering.max.kbytes": 1 << 20,
}
_DEFAULTS: Final[Mapping[str, str | int | bool]] = {
    "client.id": "rulemill",
    "partitioner": "murmur2_random",  # a key is on the partition where clients in Java would put it
    "reconnect.backoff.max.ms": 2_000,  # after an outage records go on within so long
    "topic.metadata.propagation.max.ms": 5_000,
    "log_level": 2,  # what keeps records from being delivered is said by the egress
}
_FIXED: Final = frozenset(
    {
        *_DELIVERY,
        "request.required.acks",
        "delivery.timeout.ms",
        "retries",
        "message.send.max.retries",
        "transactional.id",
        "delivery.report.only.error",
        "enable.gapless.guarantee",
    }
)
_OWN: Final = {
    "bootstrap.servers": "bootstrap_servers",
    "metadata.broker.list": "bootstrap_servers",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_username",
    "sasl.password": "sasl_password",
    "ssl.ca.location": "ssl_ca",
    "ssl.certificate.location": "ssl_certificate",
    "ssl.key.location": "ssl_key",
    "ssl.key.password": "ssl_key_password",
    "compression.codec": "compression",
    "compression.type": "compression",
    "linger.ms": "linger",
    "queue.buffering.max.ms": "linger",
}


def producer_config(settings: KafkaSettings) -> Config:
    """What a producer is made with. Raises SettingsInvalid for everything that is wrong without asking a broker."""
    options = _options(settings)
    config = {**_DEFAULTS, **_connection(settings), "linger.ms": settings.linger_ms, "compression.type": settings.compression}
    config |= {**options, **_DELIVERY}
    try:
        Producer(config).close()
    except KafkaException as error:
        raise SettingsInvalid(
            f"the settings of Kafka cannot be used: {error.args[0].str()}; see `kafka.options`, whose names are those of librdkafka"
        ) from None
    return config


def connection_config(settings: KafkaSettings) -> Config:
    """What a client that only reads is made with. Raises SettingsInvalid as `producer_config` does."""
    options = _options(settings)
    return {"client.id": _DEFAULTS["client.id"], "log_level": _DEFAULTS["log_level"], **_connection(settings), **options}


def _options(settings: KafkaSettings) -> dict[str, str]:
    options = dict(option.get_secret_value().split("=", 1) for option in settings.options)
    if faults := _faults(settings, options):
        raise SettingsInvalid("the settings of Kafka cannot be used\n" + "\n".join(f"- {fault}" for fault in faults))
    return options


def _faults(settings: KafkaSettings, options: Mapping[str, str]) -> list[str]:
    faults = [
        f"`kafka.options`: `{name}` cannot be set, as the delivery of records rests on it; remove it"
        for name in options
        if name in _FIXED
    ]
    faults += [
        f"`kafka.options`: `{name}` has a setting of its own; set `kafka.{_OWN[name]}`" for name in options if name in _OWN
    ]
    if settings.security_protocol.startswith("sasl") and settings.sasl_mechanism in {"plain", "scram-sha-256", "scram-sha-512"}:
        if settings.sasl_username is None:
            faults.append(f"`kafka.sasl_username` is not set, and `{settings.sasl_mechanism}` needs it; set it")
        if settings.sasl_password is None and settings.sasl_password_file is None:
            faults.append(
                f"`kafka.sasl_password` is not set, and `{settings.sasl_mechanism}` needs it; set it, or `kafka.sasl_password_file`"
            )
    elif settings.sasl_username is not None and not settings.security_protocol.startswith("sasl"):
        faults.append(
            f"`kafka.sasl_username` does nothing with `kafka.security_protocol: {settings.security_protocol}`; write `sasl_ssl`"
        )
    for name in ("ssl_ca", "ssl_certificate", "ssl_key", "sasl_password_file"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            faults.append(f"`kafka.{name}` is `{path}`: there is no such file")
    return faults


def _connection(settings: KafkaSettings) -> Config:
    config: Config = {"bootstrap.servers": settings.bootstrap_servers, "security.protocol": settings.security_protocol}
    if settings.security_protocol.startswith("sasl"):
        config["sasl.mechanism"] = settings.sasl_mechanism.upper()
        if settings.sasl_username is not None:
            config["sasl.username"] = settings.sasl_username
        if password := _password(settings):
            config["sasl.password"] = password
    if "ssl" in settings.security_protocol:
        places = {
            "ssl.ca.location": settings.ssl_ca,
            "ssl.certificate.location": settings.ssl_certificate,
            "ssl.key.location": settings.ssl_key,
        }
        config |= {name: str(path) for name, path in places.items() if path is not None}
        if settings.ssl_key_password is not None:
            config["ssl.key.password"] = settings.ssl_key_password.get_secret_value()
    return config


def _password(settings: KafkaSettings) -> str | None:
    if settings.sasl_password is not None:
        return settings.sasl_password.get_secret_value()
    return None if settings.sasl_password_file is None else _first_line(settings.sasl_password_file)


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8").partition("\n")[0]
    except OSError as error:
        raise SettingsInvalid(f"`kafka.sasl_password_file`: `{path}` cannot be read: {error.strerror}") from None
