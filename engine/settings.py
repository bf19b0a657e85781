"""Settings: how the service runs here, as frozen values.

In: a settings file and the environment, which comes before the file. Out: `Settings`. Rule of the file: the name, the default, the unit,
the range and the environment variable of a setting stand together, and nowhere else.

In the file and in the environment durations are `500ms 30s 5m 1h 7d` and sizes `4096`, `512KiB`, `8MiB`. Relative paths are
relative to the working directory. An environment variable that is empty counts as not set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr

from engine.settings_reading import Env, Named, Several, read_model
from engine.settings_values import (
    Options,
    RedisAddress,
    Switch,
    Tokens,
    Topic,
    duration,
    read_brokers,
    read_host,
    read_lower,
    read_redis_addresses,
    read_redis_prefix,
    size,
    whole,
)

_REDIS_ELSEWHERE: Final = ("REDIS_HOST", "REDIS_PORT", "REDIS_URL", "REDIS_URI", "REDIS_ADDR", "REDIS_SERVER", "REDIS_NODES")
_KAFKA_ELSEWHERE: Final = ("KAFKA_BROKERS", "KAFKA_BROKER", "KAFKA_BROKER_LIST", "KAFKA_SERVERS", "KAFKA_HOST", "KAFKA_URL")

DEFAULT_FILE: Final = Path("config.yaml")
"""The settings file that is read where none is named and this one exists."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class HttpSettings(_Section):
    """Where events come in, who may bring them, and how much a request may bring.

    `max_body_bytes` is for a whole body, as it is sent and unpacked; `max_bodies_bytes` for all that are being read at once;
    `max_events` for the events in one, `max_explained` for those of one that asks for explanations; `max_event_bytes` for the canonical form of one of them; `max_head_bytes` for a request line with its headers.
    A request has `read_timeout_ms` to be there as a whole, and a connection without one is closed after `keep_alive_ms`. Port 0
    is any free one.

    Tokens are needed where the address is more than this machine's own, unless `allow_unauthenticated` says otherwise;
    those in a file, one a line, are added to those that are listed.
    """

    host: Annotated[str, AfterValidator(read_host), Env("HTTP_HOST")] = "127.0.0.1"
    port: Annotated[int, whole(0, 65_535), Env("HTTP_PORT")] = 8080
    ingest_tokens: Annotated[Tokens, Several(), Env("HTTP_INGEST_TOKENS")] = ()
    ingest_tokens_file: Annotated[Path | None, Env("HTTP_INGEST_TOKENS_FILE")] = None
    admin_tokens: Annotated[Tokens, Several(), Env("HTTP_ADMIN_TOKENS")] = ()
    admin_tokens_file: Annotated[Path | None, Env("HTTP_ADMIN_TOKENS_FILE")] = None
    allow_unauthenticated: Annotated[Switch, Env("HTTP_ALLOW_UNAUTHENTICATED")] = False
    max_body_bytes: Annotated[int, size("1KiB", "1GiB"), Env("HTTP_MAX_BODY")] = Field(
        default=8 << 20, validation_alias="max_body"
    )
    max_bodies_bytes: Annotated[int, size("1KiB", "64GiB"), Env("HTTP_MAX_BODIES")] = Field(
        default=128 << 20, validation_alias="max_bodies"
    )
    max_events: Annotated[int, whole(1, 1_000_000), Env("HTTP_MAX_EVENTS")] = 10_000
    max_explained: Annotated[int, whole(1, 1_000), Env("HTTP_MAX_EXPLAINED")] = 20
    max_event_bytes: Annotated[int, size("256", "64MiB"), Env("HTTP_MAX_EVENT")] = Field(
        default=1 << 20, validation_alias="max_event"
    )
    max_head_bytes: Annotated[int, size("1KiB", "1MiB"), Env("HTTP_MAX_HEAD")] = Field(
        default=32 << 10, validation_alias="max_head"
    )
    max_connections: Annotated[int, whole(1, 1_000_000), Env("HTTP_MAX_CONNECTIONS")] = 10_000
    read_timeout_ms: Annotated[int, duration("100ms", "1h"), Env("HTTP_READ_TIMEOUT")] = Field(
        default=60_000, validation_alias="read_timeout"
    )
    keep_alive_ms: Annotated[int, duration("0s", "1h"), Env("HTTP_KEEP_ALIVE")] = Field(
        default=75_000, validation_alias="keep_alive"
    )


class ProcessorSettings(_Section):
    """How events are taken through. Without `enabled` none are taken.

    `workers` are processes; `buffer_size` events of `buffer_bytes` may wait in the inbox of each; `max_batch` events go through the stages together;
    a worker that is silent for `lease_ms` loses what it holds to others, and after `shutdown_timeout_ms` what is still in flight is told to try again.

    `max_held` events may be held for their order, and `max_deferred` be out before they are claimed, of `buffer_bytes` each;
    `max_copies` may wait for events in flight. `recent_keys` are those of committed events that are remembered, `tracked_keys` those
    whose last time is, each for this many to twice as many. `remembered_texts` are answers that each test of texts in the rules remembers.
    """

    enabled: Annotated[Switch, Env("EVENT_PROCESSOR_ENABLED")] = True
    workers: Annotated[int, whole(1, 256), Env("EVENT_PROCESSOR_WORKERS")] = 1
    buffer_size: Annotated[int, whole(1, 1_000_000), Env("EVENT_PROCESSOR_BUFFER_SIZE")] = 10_000
    buffer_bytes: Annotated[int, size("64KiB", "64GiB"), Env("EVENT_PROCESSOR_BUFFER_MEMORY")] = Field(
        default=64 << 20, validation_alias="buffer_memory"
    )
    max_batch: Annotated[int, whole(1, 100_000), Env("EVENT_PROCESSOR_MAX_BATCH")] = 1_000
    max_held: Annotated[int, whole(1, 10_000_000), Env("EVENT_PROCESSOR_MAX_HELD")] = 50_000
    max_deferred: Annotated[int, whole(1, 10_000_000), Env("EVENT_PROCESSOR_MAX_DEFERRED")] = 10_000
    max_copies: Annotated[int, whole(1, 10_000_000), Env("EVENT_PROCESSOR_MAX_COPIES")] = 10_000
    recent_keys: Annotated[int, whole(0, 10_000_000), Env("EVENT_PROCESSOR_RECENT_KEYS")] = 50_000
    tracked_keys: Annotated[int, whole(1, 10_000_000), Env("EVENT_PROCESSOR_TRACKED_KEYS")] = 50_000
    remembered_texts: Annotated[int, whole(1, 10_000_000), Env("EVENT_PROCESSOR_REMEMBERED_TEXTS")] = 10_000
    lease_ms: Annotated[int, duration("2s", "5m"), Env("EVENT_PROCESSOR_LEASE")] = Field(default=15_000, validation_alias="lease")
    shutdown_timeout_ms: Annotated[int, duration("0s", "1h"), Env("EVENT_PROCESSOR_SHUTDOWN_TIMEOUT")] = Field(
        default=30_000, validation_alias="shutdown_timeout"
    )


class RulesSettings(_Section):
    """Where the rules directory is, and how changes of it come into service.

    With `reload: auto` it is looked at every `poll_ms`, and at once where `watch` and the file system tell. `last_good` is a file
    that keeps a copy of the last rules that worked, to start with where those in the directory do not; None keeps none. `shadow` is a directory of rules
    that are tried beside them and never act.
    """

    path: Annotated[Path, Env("RULES_PATH")] = Path("rules")
    reload: Annotated[Literal["auto", "manual"], Env("RULES_RELOAD")] = "auto"
    poll_ms: Annotated[int, duration("100ms", "1h"), Env("RULES_POLL")] = Field(default=2_000, validation_alias="poll")
    watch: Annotated[Switch, Env("RULES_WATCH")] = True
    last_good: Annotated[Path | None, Env("RULES_LAST_GOOD")] = None
    shadow: Annotated[Path | None, Env("RULES_SHADOW")] = None


class SqliteSettings(_Section):
    """The state store on this machine. `normal` survives a crash of the process, `full` also one of the machine.

    `cache_bytes` of its pages may be in memory, and an eighth more for reading aggregates; it fills up as events come.
    """

    path: Annotated[Path, Env("SQLITE_PATH")] = Path("state/rulemill.db")
    synchronous: Annotated[Literal["normal", "full"], Env("SQLITE_SYNCHRONOUS")] = "full"
    cache_bytes: Annotated[int, size("1MiB", "64GiB"), Env("SQLITE_CACHE")] = Field(default=64 << 20, validation_alias="cache")


class MemorySettings(_Section):
    """The state store that a restart empties. Beyond `max_claims` the oldest claims are forgotten."""

    max_claims: Annotated[int, whole(1_000, 100_000_000), Env("MEMORY_MAX_CLAIMS")] = 1_000_000


class RedisSettings(_Section):
    """Redis, for the state store and for caches that workers share: one server, or a cluster.

    Each kind of state has a database of its own; a cluster has but one, and tells them apart by the keys. Every server gets at most
    `pool_size` connections from each worker and each kind of state. A request whose connection breaks is sent again
    `retries` times, after waits that double; one that is not answered within `timeout_ms` counts as unanswered. `wait_replicas` are the replicas that have to have a
    write before it counts as done, for which the server waits `wait_timeout_ms`.
    """

    address: Annotated[
        tuple[RedisAddress, ...], PlainValidator(read_redis_addresses), Several(), Env("REDIS_ADDRESS", _REDIS_ELSEWHERE)
    ] = read_redis_addresses("localhost:6379")
    cluster: Annotated[Switch, Env("REDIS_CLUSTER")] = False
    username: Annotated[str | None, Env("REDIS_USERNAME", ("REDIS_USER",))] = None
    password: Annotated[SecretStr | None, Env("REDIS_PASSWORD", ("REDIS_PASS", "REDIS_AUTH", "REDISCLI_AUTH"))] = None
    password_file: Annotated[Path | None, Env("REDIS_PASSWORD_FILE")] = None
    tls: Annotated[Switch, Env("REDIS_TLS", ("REDIS_SSL", "REDIS_TLS_ENABLED", "REDIS_USE_TLS", "REDIS_USE_SSL"))] = False
    tls_ca_file: Annotated[Path | None, Env("REDIS_TLS_CA_FILE")] = None
    tls_cert_file: Annotated[Path | None, Env("REDIS_TLS_CERT_FILE")] = None
    tls_key_file: Annotated[Path | None, Env("REDIS_TLS_KEY_FILE")] = None
    pool_size: Annotated[int, whole(1, 10_000), Env("REDIS_POOL_SIZE")] = 10
    enrichment_db: Annotated[int, whole(0, 1_000_000), Env("REDIS_ENRICHMENT_DB")] = 1
    aggregation_db: Annotated[int, whole(0, 1_000_000), Env("REDIS_AGGREGATION_DB")] = 2
    deduplication_db: Annotated[int, whole(0, 1_000_000), Env("REDIS_DEDUPLICATION_DB", ("REDIS_DB", "REDIS_DATABASE"))] = 3
    prefix: Annotated[str, AfterValidator(read_redis_prefix), Env("REDIS_PREFIX")] = "rulemill"
    claims: Annotated[Literal["exact", "compact"], Env("REDIS_CLAIMS")] = "exact"
    connect_timeout_ms: Annotated[int, duration("10ms", "1m"), Env("REDIS_CONNECT_TIMEOUT")] = Field(
        default=1_000, validation_alias="connect_timeout"
    )
    timeout_ms: Annotated[int, duration("10ms", "1m"), Env("REDIS_TIMEOUT")] = Field(default=2_000, validation_alias="timeout")
    retries: Annotated[int, whole(0, 10), Env("REDIS_RETRIES")] = 1
    wait_replicas: Annotated[int, whole(0, 100), Env("REDIS_WAIT_REPLICAS")] = 0
    wait_timeout_ms: Annotated[int, duration("1ms", "1m"), Env("REDIS_WAIT_TIMEOUT")] = Field(
        default=500, validation_alias="wait_timeout"
    )


class SharedCacheSettings(_Section):
    """The cache that all workers share, in the enrichment database of Redis, for sources whose rule has `cache: {shared: …}`.

    `auto` uses it with `store: redis`. A read may hold look-ups up for `timeout_ms`; answers over `max_value_bytes` are not kept there,
    and at most `max_waiting` wait to be written, in each worker.
    """

    use: Annotated[Literal["auto", "always", "never"], Env("ENRICHMENT_SHARED_CACHE")] = "auto"
    timeout_ms: Annotated[int, duration("1ms", "10s"), Env("ENRICHMENT_SHARED_CACHE_TIMEOUT")] = Field(
        default=20, validation_alias="timeout"
    )
    max_value_bytes: Annotated[int, size("1KiB", "64MiB"), Env("ENRICHMENT_SHARED_CACHE_MAX_VALUE")] = Field(
        default=64 << 10, validation_alias="max_value"
    )
    max_waiting: Annotated[int, whole(1, 1_000_000), Env("ENRICHMENT_SHARED_CACHE_MAX_WAITING")] = 10_000


class FileSettings(_Section):
    """The egress to files: the directory, which gets a file for each topic. With `fsync` a record outlives a power cut."""

    path: Annotated[Path, Env("EGRESS_FILE_PATH")] = Path("out")
    fsync: Annotated[Switch, Env("EGRESS_FILE_FSYNC")] = True


class KafkaSettings(_Section):
    """The egress to Kafka. What is None here is not set there; `options` go to the client as they are, `name=value` each.

    `topic` comes before the main topic that is set for every egress; without `dead_letter_topic` dead letters go to their file.
    `partitions` and `replicas` are of topics that `create_topics` makes; 0 replicas are the broker's default.
    """

    bootstrap_servers: Annotated[str, AfterValidator(read_brokers), Env("KAFKA_BOOTSTRAP_SERVERS", _KAFKA_ELSEWHERE)] = (
        "localhost:9092"
    )
    topic: Annotated[Topic | None, Env("KAFKA_TOPIC")] = None
    dead_letter_topic: Annotated[Topic | None, Env("KAFKA_DEAD_LETTER_TOPIC")] = None
    create_topics: Annotated[Switch, Env("KAFKA_CREATE_TOPICS")] = False
    partitions: Annotated[int, whole(1, 10_000), Env("KAFKA_PARTITIONS")] = 6
    replicas: Annotated[int, whole(0, 100), Env("KAFKA_REPLICAS")] = 0
    security_protocol: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], BeforeValidator(read_lower), Env("KAFKA_SECURITY_PROTOCOL")
    ] = "plaintext"
    sasl_mechanism: Annotated[
        Literal["plain", "scram-sha-256", "scram-sha-512", "oauthbearer", "gssapi"],
        BeforeValidator(read_lower),
        Env("KAFKA_SASL_MECHANISM"),
    ] = "plain"
    sasl_username: Annotated[str | None, Env("KAFKA_SASL_USERNAME", ("KAFKA_USERNAME", "KAFKA_USER", "KAFKA_SASL_USER"))] = None
    sasl_password: Annotated[SecretStr | None, Env("KAFKA_SASL_PASSWORD", ("KAFKA_PASSWORD", "KAFKA_PASS"))] = None
    sasl_password_file: Annotated[Path | None, Env("KAFKA_SASL_PASSWORD_FILE")] = None
    ssl_ca: Annotated[Path | None, Env("KAFKA_SSL_CA")] = None
    ssl_certificate: Annotated[Path | None, Env("KAFKA_SSL_CERTIFICATE")] = None
    ssl_key: Annotated[Path | None, Env("KAFKA_SSL_KEY")] = None
    ssl_key_password: Annotated[SecretStr | None, Env("KAFKA_SSL_KEY_PASSWORD")] = None
    ssl_key_password_file: Annotated[Path | None, Env("KAFKA_SSL_KEY_PASSWORD_FILE")] = None
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"], BeforeValidator(read_lower), Env("KAFKA_COMPRESSION")
    ] = "lz4"
    linger_ms: Annotated[int, duration("0ms", "1m"), Env("KAFKA_LINGER")] = Field(default=1, validation_alias="linger")
    start_timeout_ms: Annotated[int, duration("1s", "10m"), Env("KAFKA_START_TIMEOUT")] = Field(
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
    store: Annotated[Literal["sqlite", "memory", "redis"], Env("STATE_STORE")] = "sqlite"
    sqlite: SqliteSettings = SqliteSettings()
    memory: MemorySettings = MemorySettings()
    redis: RedisSettings = RedisSettings()
    shared_cache: SharedCacheSettings = SharedCacheSettings()
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
    return read_model(Settings, DEFAULT_FILE if path is None and DEFAULT_FILE.exists() else path, environ, _counts)


def servers_left_aside(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """What is to be said of servers that the environment names and nothing is kept on or sent to, where it does not say that this is meant."""
    found = []
    if origins.get("redis.address") == "REDIS_ADDRESS" and settings.store != "redis" and origins.get("store") != "STATE_STORE":
        found.append(
            f"REDIS_ADDRESS is set, and state is kept in `store: {settings.store}`; for Redis set STATE_STORE to `redis`"
        )
    given = origins.get("kafka.bootstrap_servers") == "KAFKA_BOOTSTRAP_SERVERS"
    if given and settings.egress != "kafka" and origins.get("egress") != "EVENT_EGRESS":
        found.append("KAFKA_BOOTSTRAP_SERVERS is set, and records go to files; for Kafka set EVENT_EGRESS to `kafka`")
    return found


def _counts(settings: Settings, section: str) -> bool:
    """Whether the section has an effect with these settings. What rules ask Redis for is not known yet."""
    chosen = {"redis": settings.store == "redis" or settings.shared_cache.use == "always", "kafka": settings.egress == "kafka"}
    return chosen.get(section, True)
