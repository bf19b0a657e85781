"""Every setting as people read it: its name, its variable, its default, what it takes and what it does.

In: the model of the settings, and settings that were read. Out: rows for `rulemill config`, and the page `docs/settings.md`. Rule of the file:
all but the meanings comes from the model itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr

from engine.settings import Quantity, Settings
from engine.settings_reading import Setting, settings_of

MEANINGS: Final = {
    "http.host": "the address to listen on",
    "http.port": "the port to listen on; 0 takes any free one, and the first line of output says which",
    "http.ingest_tokens": "who may send events: bearer tokens; without any, everybody may",
    "http.ingest_tokens_file": "a file of such tokens, one a line",
    "http.admin_tokens": "who may ask and change everything else: bearer tokens",
    "http.admin_tokens_file": "a file of such tokens, one a line",
    "http.allow_unauthenticated": "whether to listen beyond this machine without tokens",
    "http.max_body": "the largest body of a request; a larger one is answered 413",
    "http.max_bodies": "what all bodies that are being read may take together, unpacked; a request beyond it is answered 503",
    "http.max_events": "the most events in one request; more are answered 413",
    "http.max_event": "the largest event, as compact JSON; a larger one is rejected, the others of its request go on",
    "http.max_head": "the largest head of a request: its line and its headers",
    "http.max_connections": "connections at the same time; more are answered 503",
    "http.read_timeout": "how long a request may take to come in",
    "http.keep_alive": "how long a connection without a request is kept",
    "processor.enabled": "whether events are taken; with `false` the service answers everything else, and events with 503 and the code `disabled`",
    "processor.workers": "worker processes; this version runs one",
    "processor.buffer_size": "events that may wait in the inbox; more are answered 429",
    "processor.max_batch": "events that go through the stages together",
    "processor.shutdown_timeout": "how long a stop waits for what is in flight; the rest is told to be sent again",
    "rules.path": "the rules directory",
    "rules.reload": "`auto`: changed rules come into service by themselves; `manual`: with SIGHUP or `POST /rules/reload` only",
    "rules.poll": "how often the rules directory is looked at, with `reload: auto`",
    "rules.watch": "whether to look at once where the file system tells of a change, with `reload: auto`",
    "rules.last_good": "a file for a copy of the last rules that worked: the service starts with it where those in the directory are broken",
    "store": "where claims, owners and windows are kept; `memory` is gone when the service stops",
    "sqlite.path": "the database, with `store: sqlite`",
    "sqlite.synchronous": "what a commit survives: `full` a crash of the machine, `normal` one of the process",
    "memory.max_claims": "claims that are kept, with `store: memory`; beyond it the oldest are forgotten, and their copies are new",
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
    "kafka.sasl_password_file": "a file that holds the password instead",
    "kafka.ssl_ca": "the certificates of those who sign the brokers', PEM; without it the machine's own list",
    "kafka.ssl_certificate": "this client's certificate, PEM",
    "kafka.ssl_key": "its private key, PEM",
    "kafka.ssl_key_password": "what the key is encrypted with",
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
before anything is started; variables that begin with `EVENT_PROCESSOR_` and are no setting are wrong too. Other variables are left alone: a
`REDIS_ADDRESS` that is set for something else does no harm.
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
