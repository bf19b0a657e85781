"""Settings: how the service runs here, as frozen values.

In: a settings file and the environment, which comes before the file. Out: `Settings`. Rule of the file: the name, the default, the unit,
the range and the environment variable of a setting stand together, and nowhere else.

In the file and in the environment durations are `500ms 30s 5m 1h 7d` and sizes `4096`, `512KiB`, `8MiB`. Relative paths are
relative to the working directory. An environment variable that is empty counts as not set.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, ValuesView
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from engine.errors import SettingsInvalid
from engine.settings_file import Placed, read_settings_file, suggestion

DEFAULT_FILE: Final = Path("config.yaml")
"""The settings file that is read where none is named and this one exists."""

_OWN_PREFIX: Final = "EVENT_PROCESSOR_"
_MAX_SHOWN_CHARS: Final = 60
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB|)")
_UNITS_BYTES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WORDS: Final = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}")


@dataclass(frozen=True, slots=True)
class Env:
    """The environment variable of a setting."""

    name: str


def _whole(least: int, most: int) -> BeforeValidator:
    def read(value: object) -> int:
        text = str(value)
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return BeforeValidator(read)


def _quantity(pattern: re.Pattern[str], units: Mapping[str, int], least: str, most: str, kind: str) -> BeforeValidator:
    def amount(text: str) -> int | None:
        match = pattern.fullmatch(text)
        return int(match[1]) * units[match[2]] if match else None

    def read(value: object) -> int:
        found = value if type(value) is int else amount(str(value))
        lowest, highest = amount(least), amount(most)
        if found is None or lowest is None or highest is None or not lowest <= found <= highest:
            raise ValueError(f"a {kind} from {least} to {most}")
        return found

    return BeforeValidator(read)


def _duration(least: str, most: str) -> BeforeValidator:
    return _quantity(_DURATION, _UNITS_MS, least, most, "duration")


def _size(least: str, most: str) -> BeforeValidator:
    return _quantity(_SIZE, _UNITS_BYTES, least, most, "size")


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _WORDS:
        raise ValueError("`true` or `false`")
    return _WORDS[str(value).lower()]


def _read_host(value: str) -> str:
    try:
        loopback = value == "localhost" or ipaddress.ip_address(value).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(
            "`127.0.0.1`, `::1` or `localhost`: without tokens, which this release does not have yet, the service is for this "
            "machine only"
        )
    return value


def _read_topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("1 to 249 letters, digits, `.`, `_` and `-`, not beginning with `.`")
    return value


Switch = Annotated[bool, BeforeValidator(_read_bool)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class HttpSettings(_Section):
    """Where events come in, and how much a request may bring.

    `max_body_bytes` is for a whole body, `max_events` for the events in it, `max_event_bytes` for the canonical form of one of
    them. Port 0 is any free one. Only loopback addresses are taken.
    """

    host: Annotated[str, AfterValidator(_read_host), Env("HTTP_HOST")] = "127.0.0.1"
    port: Annotated[int, _whole(0, 65_535), Env("HTTP_PORT")] = 8080
    max_body_bytes: Annotated[int, _size("1KiB", "1GiB"), Env("HTTP_MAX_BODY")] = Field(
        default=8 << 20, validation_alias="max_body"
    )
    max_events: Annotated[int, _whole(1, 1_000_000), Env("HTTP_MAX_EVENTS")] = 10_000
    max_event_bytes: Annotated[int, _size("256", "64MiB"), Env("HTTP_MAX_EVENT")] = Field(
        default=1 << 20, validation_alias="max_event"
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
    """Where the rules directory is."""

    path: Annotated[Path, Env("RULES_PATH")] = Path("rules")


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


class DeadLettersSettings(_Section):
    """The file of what could not be carried on."""

    path: Annotated[Path, Env("DEAD_LETTERS_PATH")] = Path("out/dead-letters.ndjson")


class LogSettings(_Section):
    """What is written to standard error. `access` adds a line for each request, without what it brought."""

    format: Annotated[Literal["text", "json"], Env("LOG_FORMAT")] = "text"
    level: Annotated[Literal["debug", "info", "warning", "error"], Env("LOG_LEVEL")] = "info"
    access: Annotated[Switch, Env("LOG_ACCESS")] = False


class Settings(_Section):
    """Everything that is set. `store` and `egress` name the sections that count; `topic` is the main topic of records."""

    http: HttpSettings = HttpSettings()
    processor: ProcessorSettings = ProcessorSettings()
    rules: RulesSettings = RulesSettings()
    store: Annotated[Literal["sqlite", "memory"], Env("STATE_STORE")] = "sqlite"
    sqlite: SqliteSettings = SqliteSettings()
    memory: MemorySettings = MemorySettings()
    egress: Annotated[Literal["file"], Env("EVENT_EGRESS")] = "file"
    file: FileSettings = FileSettings()
    topic: Annotated[str, AfterValidator(_read_topic), Env("EVENT_TOPIC")] = "events.enriched"
    dead_letters: DeadLettersSettings = DeadLettersSettings()
    log: LogSettings = LogSettings()


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings in force; see `read_settings`."""
    return read_settings(path, environ)[0]


def read_settings(path: Path | None, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings in force, and by dotted name where each that is not a default came from.

    `path` None means DEFAULT_FILE where it exists. Raises SettingsInvalid, whose text has one line for each fault, with its
    `file:line:col` or the name of its variable.
    """
    variables = {".".join(keys): name for keys, name in _variables(Settings)}
    faults: list[str] = []
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    placed = read_settings_file(path, variables, faults) if path is not None else {}
    placed |= {name: Placed(environ[variable], variable) for name, variable in variables.items() if environ.get(variable)}
    faults += _unknown_variables(environ, variables.values())
    settings = _settings(placed, faults)
    if settings is None or faults:
        raise SettingsInvalid("\n".join(faults))
    return settings, {name: value.place for name, value in placed.items()}


def _variables(section: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each setting by the keys that lead to it in the file, with its environment variable."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for keys, variable in _variables(field.annotation):
                yield (name, *keys), variable
        for mark in field.metadata:
            if isinstance(mark, Env):
                yield (str(field.validation_alias or name),), mark.name


def _unknown_variables(environ: Mapping[str, str], known: ValuesView[str]) -> list[str]:
    """Faults for variables that can only be meant for this engine and that it does not have."""
    own = [name for name in known if name.startswith(_OWN_PREFIX)]
    strange = sorted(name for name in environ if name.startswith(_OWN_PREFIX) and name not in own)
    return [f"{name}: there is no such setting; {suggestion(name, own)}" for name in strange]


def _settings(placed: Mapping[str, Placed], faults: list[str]) -> Settings | None:
    tree: dict[str, object] = {}
    for name, value in placed.items():
        section, _, key = name.rpartition(".")
        inner = tree.setdefault(section, {}) if section else tree
        if isinstance(inner, dict):
            inner[key] = value.text
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = ".".join(map(str, fault["loc"]))
            seen = placed[name]
            faults.append(f"{seen.place}: `{name}` is `{_shown(seen.text)}`; expected {_expected(fault)}")
        return None


def _expected(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if fault["type"] == "literal_error":
        return str(context["expected"]).replace("'", "`")
    return str(context.get("error", "another value"))


def _shown(text: str) -> str:
    short = text[:_MAX_SHOWN_CHARS] + ("…" if len(text) > _MAX_SHOWN_CHARS else "")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)
