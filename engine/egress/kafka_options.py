"""The settings of Kafka as its client takes them.

In: settings. Out: a configuration of librdkafka. Rule of the file: what the delivery of records rests on cannot be set.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from engine.errors import SettingsInvalid
from engine.settings import KafkaSettings
from engine.settings_values import secret_given

Config = dict[str, Any]

_WARNING: Final = 4
_DOES_NOTHING: Final = re.compile(
    r"Configuration property (?P<name>\S+) is (?:(?P<consumer>a consumer property)|deprecated: No longer used)"
)

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
_OF_SASL: Final = ("sasl_username", "sasl_password", "sasl_password_file")
_OF_SSL: Final = ("ssl_ca", "ssl_certificate", "ssl_key", "ssl_key_password", "ssl_key_password_file")
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
    _try(config)
    return config


def connection_config(settings: KafkaSettings) -> Config:
    """What a client that only reads is made with. Raises SettingsInvalid as `producer_config` does."""
    options = _options(settings)
    return {"client.id": _DEFAULTS["client.id"], "log_level": _DEFAULTS["log_level"], **_connection(settings), **options}


class _Objections(logging.Handler):
    """Keeps what the client says of options that do nothing; of some that still work it says that they are to go, or are new."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it where it is about such an option."""
        if said := _DOES_NOTHING.search(record.getMessage()):
            what = "is for consumers" if said["consumer"] else "is not used any more"
            self.found.append(f"`kafka.options`: `{said['name']}` {what} and does nothing here; remove it")


def _try(config: Config) -> None:
    """Raises SettingsInvalid where the client does not take it, or says of an option that it does nothing."""
    logger, objections = logging.getLogger(f"{__name__}.trial"), _Objections()
    logger.propagate = False  # what is said is told as a fault
    logger.addHandler(objections)
    try:
        producer = Producer({**config, "log_level": _WARNING}, logger=logger)
        producer.poll(0)  # what was said is handed over here
        producer.close()
    except KafkaException as error:
        raise SettingsInvalid(
            f"the settings of Kafka cannot be used: {error.args[0].str()}; see `kafka.options`, whose names are those of librdkafka"
        ) from None
    finally:
        logger.removeHandler(objections)
    if objections.found:
        raise _unusable(objections.found)


def _unusable(faults: Iterable[str]) -> SettingsInvalid:
    return SettingsInvalid("the settings of Kafka cannot be used\n" + "\n".join(f"- {fault}" for fault in faults))


def _options(settings: KafkaSettings) -> dict[str, str]:
    options = dict(option.get_secret_value().split("=", 1) for option in settings.options)
    if faults := _faults(settings, options):
        raise _unusable(faults)
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
    for name in ("ssl_ca", "ssl_certificate", "ssl_key", "sasl_password_file", "ssl_key_password_file"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            faults.append(f"`kafka.{name}` is `{path}`: there is no such file")
    return faults + _idle(settings)


def _idle(settings: KafkaSettings) -> list[str]:
    """Faults for what is set and does nothing with the security protocol: who sets it believes to be protected by it."""
    protocol, faults = settings.security_protocol, []
    for names, part in ((_OF_SASL, "sasl"), (_OF_SSL, "ssl")):
        wanted = "ssl" if (part, protocol) == ("ssl", "plaintext") else "sasl_ssl"
        faults += [
            f"`kafka.{name}` does nothing with `kafka.security_protocol: {protocol}`; write `{wanted}`, or remove it"
            for name in names
            if part not in protocol and getattr(settings, name) is not None
        ]
    return faults


def _connection(settings: KafkaSettings) -> Config:
    config: Config = {"bootstrap.servers": settings.bootstrap_servers, "security.protocol": settings.security_protocol}
    if settings.security_protocol.startswith("sasl"):
        config["sasl.mechanism"] = settings.sasl_mechanism.upper()
        if settings.sasl_username is not None:
            config["sasl.username"] = settings.sasl_username
        if (password := secret_given("kafka.sasl_password", settings.sasl_password, settings.sasl_password_file)) is not None:
            config["sasl.password"] = password
    if "ssl" in settings.security_protocol:
        places = {
            "ssl.ca.location": settings.ssl_ca,
            "ssl.certificate.location": settings.ssl_certificate,
            "ssl.key.location": settings.ssl_key,
        }
        config |= {name: str(path) for name, path in places.items() if path is not None}
        password = secret_given("kafka.ssl_key_password", settings.ssl_key_password, settings.ssl_key_password_file)
        if password is not None:
            config["ssl.key.password"] = password
    return config
