"""Every setting as people read it: its name, its variable, its default, what it takes and what it does.

In: the model of the settings, and settings that were read. Out: rows for `rulemill config`, and the page `docs/settings.md`. Rule of the file:
all but the meanings comes from the model itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr

from engine.settings import Settings
from engine.settings_reading import Setting, settings_of
from engine.settings_values import Quantity

MEANINGS: Final = {
    "http.host": "the address to listen on",
    "http.port": "the port to listen on; 0 takes any free one, and the first line of output says which",
    "http.ingest_tokens": "who may send events: bearer tokens; without any, everybody may",
    "http.ingest_tokens_file": "a file of such tokens, one a line",
    "http.admin_tokens": "who may ask and change everything else: bearer tokens",
    "http.admin_tokens_file": "a file of such tokens, one a line",
    "http.allow_unauthenticated": "whether to listen beyond this machine without tokens",
    "http.max_body": "the largest body of a request; a larger one is answered 413",
    "http.max_bodies": "what all bodies that one worker is reading may take together, unpacked; a request beyond it is answered 503",
    "http.max_events": "the most events in one request; more are answered 413",
    "http.max_explained": "the most events in one request with `Rulemill-Explain: 1`; more are answered 413, and none is taken",
    "http.max_event": "the largest event, as compact JSON; a larger one is rejected, the others of its request go on",
    "http.max_head": "the largest head of a request: its line and its headers",
    "http.max_connections": "connections of one worker at the same time; more are answered 503",
    "http.read_timeout": "how long a request may take to come in",
    "http.keep_alive": "how long a connection without a request is kept",
    "processor.enabled": "whether events are taken; with `false` the service answers everything else, and events with 503 and the code `disabled`",
    "processor.workers": "worker processes on the one port; with more than one, a process of their own [looks after them](workers.md)",
    "processor.buffer_size": "events that may wait in the inbox of one worker; more are answered 429",
    "processor.buffer_memory": "what these events may take, as they came in; as much may be held for order, and as much be deferred",
    "processor.max_batch": "events that go through the stages together",
    "processor.max_held": "events held for earlier ones of their key, with `ordering: {wait: …}`; beyond it the earliest go on before their time",
    "processor.max_deferred": "events that are out and still to be claimed because the store was away; beyond it senders are told to come again",
    "processor.max_copies": "copies that wait for the event in flight that they are copies of; beyond it they are told to come again",
    "processor.recent_keys": "committed events whose copies are known without asking the store; up to twice as many are kept",
    "processor.tracked_keys": "keys whose last event's time is known, to tell late ones; up to twice as many are kept",
    "processor.remembered_texts": "texts whose answer each test of a rule that looks into texts remembers; beyond it it forgets them all, and finds them out again",
    "processor.lease": "how long a worker may be silent before others take over what it holds; it renews three times in that time",
    "processor.shutdown_timeout": "how long a stop waits for what is in flight; the rest is told to be sent again",
    "rules.path": "the rules directory",
    "rules.reload": "`auto`: changed rules come into service by themselves; `manual`: with SIGHUP or `POST /rules/reload` only",
    "rules.poll": "how often the rules directory is looked at, with `reload: auto`",
    "rules.watch": "whether to look at once where the file system tells of a change, with `reload: auto`",
    "rules.last_good": "a file for a copy of the last rules that worked: the service starts with it where those in the directory are broken",
    "rules.shadow": "a directory of rules whose filters judge the same events and never act: `GET /rules/shadow` says what they would have done otherwise",
    "store": "where claims, owners and windows are kept; `memory` is gone when the service stops",
    "sqlite.path": "the database, with `store: sqlite`",
    "sqlite.synchronous": "what a commit survives: `full` a crash of the machine, `normal` one of the process",
    "sqlite.cache": "how much of the database may be in memory; it fills up as events come",
    "memory.max_claims": "claims that are kept, with `store: memory`; beyond it the oldest are forgotten, and their copies are new",
    "redis.address": "the server; with `redis.cluster: true` one or more nodes of the cluster, which name the others",
    "redis.cluster": "whether it is a Redis Cluster; databases do not count then",
    "redis.username": "the user to log in as; none is Redis's `default`",
    "redis.password": "the password to log in with",
    "redis.password_file": "a file whose first line is the password instead",
    "redis.tls": "whether connections are encrypted",
    "redis.tls_ca_file": "the certificates to trust, with `redis.tls: true`; none are the system's",
    "redis.tls_cert_file": "the certificate to show, where the server asks for one",
    "redis.tls_key_file": "the key of that certificate",
    "redis.pool_size": "connections of a worker to each server, for each kind of state; what needs one more waits",
    "redis.enrichment_db": "the database of the shared cache of sources",
    "redis.aggregation_db": "the database of aggregates",
    "redis.deduplication_db": "the database of claims and owners",
    "redis.prefix": "what every key begins with, before a `:`; services that share one are one service",
    "redis.claims": "how committed claims are kept; `compact`: 64 bits of each, in a thirteenth of the memory, for up to a quarter longer",
    "redis.connect_timeout": "how long a connection may take to open",
    "redis.timeout": "how long an answer may take; with `redis.wait_replicas` it is longer than `redis.wait_timeout`",
    "redis.retries": "how often a request whose connection broke is sent again at once, before the server counts as away",
    "redis.wait_replicas": "replicas that must have a write of the state store before it counts; 0 asks none",
    "redis.wait_timeout": "how long a write waits for them; then its outcome is unknown, and it is sent again",
    "shared_cache.use": "whether workers share answers of sources, as `cache: {shared: …}` of a rule says; `auto`: with `store: redis`",
    "shared_cache.timeout": "how long look-ups wait for the shared cache before they go on without it",
    "shared_cache.max_value": "the largest answer that is shared",
    "shared_cache.max_waiting": "answers that wait to be shared; more are not shared",
    "egress": "where records go: `file` writes a line of JSON each, into a file for each topic; `kafka` sends them to topics",
    "file.path": "the directory of records, with `egress: file`",
    "file.fsync": "whether a record that was answered survives a crash of the machine",
    "kafka.bootstrap_servers": "brokers to ask first, `HOST:PORT` with `,` between them, with `egress: kafka`",
    "kafka.topic": "the main topic of records; without it `topic` is",
    "kafka.dead_letter_topic": "the topic of what could not be carried on; without it `dead_letters.path` is where that goes",
    "kafka.create_topics": "whether topics that are missing are made",
    "kafka.partitions": "partitions of a topic that is made",
    "kafka.replicas": "replicas of a topic that is made; 0 takes the broker's default",
    "kafka.security_protocol": "how brokers are spoken to",
    "kafka.sasl_mechanism": "how a user is let in, with a security protocol of SASL",
    "kafka.sasl_username": "the user",
    "kafka.sasl_password": "the user's password",
    "kafka.sasl_password_file": "a file whose first line is the password instead",
    "kafka.ssl_ca": "the certificates of those who sign the brokers', PEM; without it the machine's own list",
    "kafka.ssl_certificate": "this client's certificate, PEM",
    "kafka.ssl_key": "its private key, PEM",
    "kafka.ssl_key_password": "what the key is encrypted with",
    "kafka.ssl_key_password_file": "a file whose first line is that instead",
    "kafka.compression": "how records are compressed on their way and on the topic",
    "kafka.linger": "how long a record may wait for others of its partition",
    "kafka.start_timeout": "how long the brokers may take to answer at the start",
    "kafka.options": "other settings of the client, by the names of librdkafka; in the file a map as well. See [Kafka](kafka.md)",
    "topic": "the main topic of records; routes in the rules name others",
    "ack": "when an event is answered: `delivered`, once it is out and counted, or `received`, once it is taken",
    "dead_letters.path": "the file of what could not be carried on",
    "log.format": "how log lines are written: `text` for people, `json` for programs",
    "log.level": "what is logged: this and what is more serious",
    "log.access": "whether each request has a log line",
}
"""What each setting does."""

_HEAD: Final = """\
# Settings

<!-- Written by `rulemill config --doc`; change `engine/settings_list.py` and write it again. -->

How the service runs here. What it does with events stands in [the rules](rules.md). A setting is a line of `config.yaml`, in the section before
its dot; the environment variable beside it comes before the file, and one that is empty counts as not set. Durations are `500ms 30s 5m 1h 7d`,
sizes `4096 512KiB 8MiB`, and relative paths start at the working directory.

`rulemill config` prints every value in force, and where it came from. What is wrong is told all at once, with its place and a stable code,
before anything is started; variables that begin with `EVENT_PROCESSOR_` and are no setting are wrong too. So are, where Redis or Kafka is used, variables that other programs
read for a setting that is not set (`REDIS_HOST`, `REDIS_URL`, `KAFKA_BROKERS`), and misspelt ones ([C006](codes.md#c006-an-environment-variable-that-other-programs-have-for-a-setting-of-another-name)). Other variables are left alone.
Naming a server does not choose it: where REDIS_ADDRESS or KAFKA_BOOTSTRAP_SERVERS is set, another store or egress is used, and STATE_STORE or EVENT_EGRESS does not say so, a line of the log does.
"""


class Row(NamedTuple):
    """One setting in force. `origin` is `default`, a place in the file, or the name of the variable."""

    name: str
    value: str
    origin: str
    variable: str
    default: str


def rows(settings: Settings, origins: Mapping[str, str]) -> list[Row]:
    """Every setting as it is in force; secret values are `***`."""
    defaults = Settings()
    return [
        Row(
            setting.name,
            shown_value(setting, _value(settings, setting)),
            origins.get(setting.name, "default"),
            setting.env.name,
            shown_value(setting, _value(defaults, setting)),
        )
        for setting in settings_of(Settings)
    ]


def shown_value(setting: Setting, value: object) -> str:
    """The value as it can be written in the file; empty where there is none, `***` for each that is secret."""
    if isinstance(value, tuple | list):
        return ",".join(shown_value(setting, item) for item in value)
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        quantity = _quantity(setting)
        return str(value) if quantity is None else quantity.shown(value)
    return "" if value is None else str(value)


def settings_page() -> str:
    """The page of all settings, as Markdown."""
    lines = ["| setting | variable | default | takes | what it does |", "| --- | --- | --- | --- | --- |"]
    for setting in settings_of(Settings):
        default = shown_value(setting, _value(Settings(), setting))
        shown = f"`{default}`" if default else "none"
        lines.append(
            f"| `{setting.name}` | `{setting.env.name}` | {shown} | {_takes(setting)} | {MEANINGS.get(setting.name, '')} |"
        )
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _takes(setting: Setting) -> str:
    """What may be written, in words."""
    kind = setting.field.annotation
    words = {bool: "`true` or `false`", Path: "a path", str: "text"}
    quantity = _quantity(setting)
    if quantity is not None:
        return quantity.expected
    if get_origin(kind) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(kind))
    if setting.named:
        return "`name=value` with `,` between them, an object in JSON, or a map in the file"
    inner = next((one for one in (kind, *get_args(kind)) if one in words), str)
    return f"{words[inner]}, several with `,` between them, or a list in the file" if setting.several else words[inner]


def _quantity(setting: Setting) -> Quantity | None:
    return next((mark for mark in setting.field.metadata if isinstance(mark, Quantity)), None)


def _value(settings: BaseModel, setting: Setting) -> object:
    value: object = settings
    for name in setting.attributes:
        value = getattr(value, name)
    return value
