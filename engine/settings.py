"""Settings: how the service runs here, as frozen values.

In: a settings file and the environment, which comes before the file. Out: `Settings`. Rule of the file: the name, the default, the unit,
the range and the environment variable of a setting stand together, and nowhere else.

In the file and in the environment durations are `500ms 30s 5m 1h 7d` and sizes `4096`, `512KiB`, `8MiB`. Relative paths are
relative to the working directory. An environment variable that is empty counts as not set.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from engine.settings_reading import Env, Named, Several, read_model

DEFAULT_FILE: Final = Path("config.yaml")
"""The settings file that is read where none is named and this one exists."""

_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB|)")
_UNITS_BYTES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WORDS: Final = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{16,512}={0,2}")
_BROKER: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}")


@dataclass(frozen=True)
class Quantity(BeforeValidator):
    """Reads a number within bounds. `expected` says which are taken; `units` are those it may be written in, with their size."""

    expected: str = ""
    units: tuple[tuple[str, int], ...] = ()

    def shown(self, value: int) -> str:
        """The value as it can be written, in the largest unit that leaves it whole."""
        for unit, size in reversed(self.units):
            if value and value % size == 0:
                return f"{value // size}{unit}"
        return f"{value}{self.units[0][0] if self.units else ''}"


def _whole(least: int, most: int) -> Quantity:
    expected = f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        text = str(value)
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(expected)
        return int(text)

    return Quantity(read, expected=expected)


def _quantity(pattern: re.Pattern[str], units: Mapping[str, int], least: str, most: str, kind: str) -> Quantity:
    expected = f"a {kind} from {least} to {most}"

    def amount(text: str) -> int | None:
        match = pattern.fullmatch(text)
        return int(match[1]) * units[match[2]] if match else None

    def read(value: object) -> int:
        found = value if type(value) is int else amount(str(value))
        lowest, highest = amount(least), amount(most)
        if found is None or lowest is None or highest is None or not lowest <= found <= highest:
            raise ValueError(expected)
        return found

    return Quantity(read, expected=expected, units=tuple(units.items()))


def _duration(least: str, most: str) -> Quantity:
    return _quantity(_DURATION, _UNITS_MS, least, most, "duration")


def _size(least: str, most: str) -> Quantity:
    return _quantity(_SIZE, _UNITS_BYTES, least, most, "size")


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _WORDS:
        raise ValueError("`true` or `false`")
    return _WORDS[str(value).lower()]


def _read_host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST_NAME.fullmatch(value) or value.replace(".", "").isdecimal():
            raise ValueError("the address to listen on, such as `127.0.0.1`, `::` or `localhost`") from None
    return value


def read_tokens(text: str) -> tuple[SecretStr, ...]:
    """The tokens in a text, which has `,` or line ends between them; there may be none.

    A token is what `Authorization: Bearer` takes, and long enough not to be guessed. Raises ValueError, without what was found.
    """
    tokens = [token for line in text.splitlines() for part in line.split(",") if (token := part.strip())]
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise ValueError("tokens of 16 to 512 letters, digits and `-._~+/`, such as `openssl rand -hex 32` makes")
    return tuple(map(SecretStr, tokens))


def _read_listed_tokens(value: object) -> object:
    return read_tokens(value) if isinstance(value, str) else value


def _read_topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("1 to 249 letters, digits, `.`, `_` and `-`, not beginning with `.`")
    return value


def _read_lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _read_brokers(value: str) -> str:
    if not all(_BROKER.fullmatch(broker) for broker in value.split(",")):
        raise ValueError("brokers as `HOST:PORT`, with `,` between them")
    return value


def _read_options(text: object) -> object:
    """Options as `name=value` with `,` between them, or as an object in JSON, which takes every value."""
    if not isinstance(text, str):
        return text
    try:
        options = orjson.loads(text) if text.startswith("{") else dict(part.strip().split("=", 1) for part in text.split(","))
    except ValueError:
        options = None
    if not isinstance(options, dict) or not all(isinstance(value, str | int | float) for value in options.values()):
        raise ValueError(
            'names of librdkafka with their values: `linger.ms=20,client.id=a`, or `{"linger.ms": 20, "client.id": "a"}`'
        )
    return tuple(SecretStr(f"{name}={_option_text(value)}") for name, value in options.items())


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


Switch = Annotated[bool, BeforeValidator(_read_bool)]
Topic = Annotated[str, AfterValidator(_read_topic)]
Options = Annotated[tuple[SecretStr, ...], BeforeValidator(_read_options)]
Tokens = Annotated[tuple[SecretStr, ...], BeforeValidator(_read_listed_tokens)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class HttpSettings(_Section):
    """Where events come in, who may bring them, and how much a request may bring.

    `max_body_bytes` is for a whole body, as it is sent and unpacked; `max_bodies_bytes` for all that are being read at once;
    `max_events` for the events in one; `max_event_bytes` for the canonical form of one of them; `max_head_bytes` for a request line with its headers.
    A request has `read_timeout_ms` to be there as a whole, and a connection without one is closed after `keep_alive_ms`. Port 0
    is any free one.

    Tokens are needed where the address is more than this machine's own, unless `allow_unauthenticated` says otherwise;
    those in a file, one a line, are added to those that are listed.
    """

    host: Annotated[str, AfterValidator(_read_host), Env("HTTP_HOST")] = "127.0.0.1"
    port: Annotated[int, _whole(0, 65_535), Env("HTTP_PORT")] = 8080
    ingest_tokens: Annotated[Tokens, Several(), Env("HTTP_INGEST_TOKENS")] = ()
    ingest_tokens_file: Annotated[Path | None, Env("HTTP_INGEST_TOKENS_FILE")] = None
    admin_tokens: Annotated[Tokens, Several(), Env("HTTP_ADMIN_TOKENS")] = ()
    admin_tokens_file: Annotated[Path | None, Env("HTTP_ADMIN_TOKENS_FILE")] = None
    allow_unauthenticated: Annotated[Switch, Env("HTTP_ALLOW_UNAUTHENTICATED")] = False
    max_body_bytes: Annotated[int, _size("1KiB", "1GiB"), Env("HTTP_MAX_BODY")] = Field(
        default=8 << 20, validation_alias="max_body"
    )
    max_bodies_bytes: Annotated[int, _size("1KiB", "64GiB"), Env("HTTP_MAX_BODIES")] = Field(
        default=128 << 20, validation_alias="max_bodies"
    )
    max_events: Annotated[int, _whole(1, 1_000_000), Env("HTTP_MAX_EVENTS")] = 10_000
    max_event_bytes: Annotated[int, _size("256", "64MiB"), Env("HTTP_MAX_EVENT")] = Field(
        default=1 << 20, validation_alias="max_event"
    )
    max_head_bytes: Annotated[int, _size("1KiB", "1MiB"), Env("HTTP_MAX_HEAD")] = Field(
        default=32 << 10, validation_alias="max_head"
    )
    max_connections: Annotated[int, _whole(1, 1_000_000), Env("HTTP_MAX_CONNECTIONS")] = 10_000
    read_timeout_ms: Annotated[int, _duration("100ms", "1h"), Env("HTTP_READ_TIMEOUT")] = Field(
        default=60_000, validation_alias="read_timeout"
    )
    keep_alive_ms: Annotated[int, _duration("0s", "1h"), Env("HTTP_KEEP_ALIVE")] = Field(
        default=75_000, validation_alias="keep_alive"
    )


class ProcessorSettings(_Section):
    """How events are taken through. Without `enabled` none are taken.

    `workers` are processes; `buffer_size` events may wait in the inbox of each; `max_batch` events go through the stages together;
    after `shutdown_timeout_ms` what is still in flight is told to try again.
    """

    enabled: Annotated[Switch, Env("EVENT_PROCESSOR_ENABLED")] = True
    workers: Annotated[int, _whole(1, 256), Env("EVENT_PROCESSOR_WORKERS")] = 1
    buffer_size: Annotated[int, _whole(1, 1_000_000), Env("EVENT_PROCESSOR_BUFFER_SIZE")] = 10_000
    max_batch: Annotated[int, _whole(1, 100_000), Env("EVENT_PROCESSOR_MAX_BATCH")] = 1_000
    shutdown_timeout_ms: Annotated[int, _duration("0s", "1h"), Env("EVENT_PROCESSOR_SHUTDOWN_TIMEOUT")] = Field(
        default=30_000, validation_alias="shutdown_timeout"
    )


class RulesSettings(_Section):
    """Where the rules directory is, and how changes of it come into service.

    With `reload: auto` it is looked at every `poll_ms`, and at once where `watch` and the file system tell. `last_good` is a file
    that keeps a copy of the last rules that worked, to start with where those in the directory do not; None keeps none.
    """

    path: Annotated[Path, Env("RULES_PATH")] = Path("rules")
    reload: Annotated[Literal["auto", "manual"], Env("RULES_RELOAD")] = "auto"
    poll_ms: Annotated[int, _duration("100ms", "1h"), Env("RULES_POLL")] = Field(default=2_000, validation_alias="poll")
    watch: Annotated[Switch, Env("RULES_WATCH")] = True
    last_good: Annotated[Path | None, Env("RULES_LAST_GOOD")] = None


class SqliteSettings(_Section):
    """The state store on this machine. `normal` survives a crash of the process, `full` also one of the machine."""

    path: Annotated[Path, Env("SQLITE_PATH")] = Path("state/rulemill.db")
    synchronous: Annotated[Literal["normal", "full"], Env("SQLITE_SYNCHRONOUS")] = "full"


class MemorySettings(_Section):
    """The state store that a restart empties. Beyond `max_claims` the oldest claims are forgotten."""

    max_claims: Annotated[int, _whole(1_000, 100_000_000), Env("MEMORY_MAX_CLAIMS")] = 1_000_000


class FileSettings(_Section):
    """The egress to files: the directory, which gets a file for each topic. With `fsync` a record outlives a power cut."""

    path: Annotated[Path, Env("EGRESS_FILE_PATH")] = Path("out")
    fsync: Annotated[Switch, Env("EGRESS_FILE_FSYNC")] = True


class KafkaSettings(_Section):
    """The egress to Kafka. What is None here is not set there; `options` go to the client as they are, `name=value` each.

    `topic` comes before the main topic that is set for every egress; without `dead_letter_topic` dead letters go to their file.
    `partitions` and `replicas` are of topics that `create_topics` makes; 0 replicas are the broker's default.
    """

    bootstrap_servers: Annotated[str, AfterValidator(_read_brokers), Env("KAFKA_BOOTSTRAP_SERVERS")] = "localhost:9092"
    topic: Annotated[Topic | None, Env("KAFKA_TOPIC")] = None
    dead_letter_topic: Annotated[Topic | None, Env("KAFKA_DEAD_LETTER_TOPIC")] = None
    create_topics: Annotated[Switch, Env("KAFKA_CREATE_TOPICS")] = False
    partitions: Annotated[int, _whole(1, 10_000), Env("KAFKA_PARTITIONS")] = 6
    replicas: Annotated[int, _whole(0, 100), Env("KAFKA_REPLICAS")] = 0
    security_protocol: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], BeforeValidator(_read_lower), Env("KAFKA_SECURITY_PROTOCOL")
    ] = "plaintext"
    sasl_mechanism: Annotated[
        Literal["plain", "scram-sha-256", "scram-sha-512", "oauthbearer", "gssapi"],
        BeforeValidator(_read_lower),
        Env("KAFKA_SASL_MECHANISM"),
    ] = "plain"
    sasl_username: Annotated[str | None, Env("KAFKA_SASL_USERNAME")] = None
    sasl_password: Annotated[SecretStr | None, Env("KAFKA_SASL_PASSWORD")] = None
    sasl_password_file: Annotated[Path | None, Env("KAFKA_SASL_PASSWORD_FILE")] = None
    ssl_ca: Annotated[Path | None, Env("KAFKA_SSL_CA")] = None
    ssl_certificate: Annotated[Path | None, Env("KAFKA_SSL_CERTIFICATE")] = None
    ssl_key: Annotated[Path | None, Env("KAFKA_SSL_KEY")] = None
    ssl_key_password: Annotated[SecretStr | None, Env("KAFKA_SSL_KEY_PASSWORD")] = None
    compression: Annotated[Literal["none", "gzip", "snappy", "lz4", "zstd"], Env("KAFKA_COMPRESSION")] = "lz4"
    linger_ms: Annotated[int, _duration("0ms", "1m"), Env("KAFKA_LINGER")] = Field(default=1, validation_alias="linger")
    start_timeout_ms: Annotated[int, _duration("1s", "10m"), Env("KAFKA_START_TIMEOUT")] = Field(
        default=10_000, validation_alias="start_timeout"
    )
    options: Annotated[Options, Named(), Env("KAFKA_OPTIONS")] = ()


class DeadLettersSettings(_Section):
    """The file of what could not be carried on."""

    path: Annotated[Path, Env("DEAD_LETTERS_PATH")] = Path("out/dead-letters.ndjson")


class LogSettings(_Section):
    """What is written to standard error. `access` adds a line for each request, without what it brought."""

    format: Annotated[Literal["text", "json"], Env("LOG_FORMAT")] = "text"
    level: Annotated[Literal["debug", "info", "warning", "error"], Env("LOG_LEVEL")] = "info"
    access: Annotated[Switch, Env("LOG_ACCESS")] = False


class Settings(_Section):
    """Everything that is set. `store` and `egress` name the sections that count; `topic` is the main topic of records.

    `ack` says when a sender is answered: when its events are out and counted, or when they are received, which a crash does not outlive.
    """

    http: HttpSettings = HttpSettings()
    processor: ProcessorSettings = ProcessorSettings()
    rules: RulesSettings = RulesSettings()
    store: Annotated[Literal["sqlite", "memory"], Env("STATE_STORE")] = "sqlite"
    sqlite: SqliteSettings = SqliteSettings()
    memory: MemorySettings = MemorySettings()
    egress: Annotated[Literal["file", "kafka"], Env("EVENT_EGRESS")] = "file"
    file: FileSettings = FileSettings()
    kafka: KafkaSettings = KafkaSettings()
    topic: Annotated[Topic, Env("EVENT_TOPIC")] = "events.enriched"
    ack: Annotated[Literal["delivered", "received"], Env("EVENT_ACK")] = "delivered"
    dead_letters: DeadLettersSettings = DeadLettersSettings()
    log: LogSettings = LogSettings()

    @property
    def main_topic(self) -> str:
        """Where records go that no route moves elsewhere."""
        return (self.kafka.topic if self.egress == "kafka" else None) or self.topic


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings in force; see `read_settings`."""
    return read_settings(path, environ)[0]


def read_settings(path: Path | None, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings in force, and by dotted name where each that is not a default came from.

    `path` None means DEFAULT_FILE where it exists. Raises as `read_model` does.
    """
    return read_model(Settings, DEFAULT_FILE if path is None and DEFAULT_FILE.exists() else path, environ)
