"""What the settings of each kind of source are called, and what may stand in them.

Rule of the file: whatever is written here is what the parser checks, what the editor offers, and what a source is built from; a kind that can be
built finds every setting that has a default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

MAX_CONCURRENCY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `default` None: left out unless written. A number and a duration (in ms) lie between `least` and `most`.

    `needs` is another setting, or a mark in one, without which this one does nothing. `choices` are the texts it may be, empty for any.
    """

    form: Literal["text", "duration", "whole", "headers"] = "text"
    default: int | str | None = None
    least: int = 1
    most: int = 0
    required: bool = False
    needs: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source. `marks` are, for each setting that must name the key, the ways it can."""

    settings: Mapping[str, Setting]
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """The settings that must be written."""
        return tuple(name for name, setting in self.settings.items() if setting.required)


def _timeout(default_ms: int) -> Setting:
    return Setting("duration", default_ms, 1, 60_000)


def _concurrency(default: int, most: int = MAX_CONCURRENCY) -> Setting:
    return Setting("whole", default, 1, most)


BUILT_IN_SOURCES: Final = {
    "file": SourceKind({"path": Setting(required=True), "id": Setting()}),
    "http": SourceKind(
        {
            "url": Setting(required=True),
            "batch_url": Setting(),
            "batch_size": Setting("whole", 100, 1, 10_000, needs="batch_url"),
            "id": Setting(default="id", needs="batch_url"),
            "headers": Setting("headers"),
            "timeout": _timeout(1_000),
            "concurrency": _concurrency(64),
            "max_answer_bytes": Setting("whole", 1 << 20, 1, 1 << 30),
        },
        {"url": ("{key}",), "batch_url": ("{keys}",)},
    ),
    "redis": SourceKind(
        {
            "key": Setting(required=True),
            "url": Setting(),
            "value": Setting(default="json", choices=("json", "hash", "hash_of_json")),
            "batch_size": Setting("whole", 100, 1, 10_000),
            "timeout": _timeout(1_000),
            "concurrency": _concurrency(64),
        },
        {"key": ("{key}",)},
    ),
    "sql": SourceKind(
        {
            "url": Setting(required=True),
            "query": Setting(required=True),
            "batch_size": Setting("whole", 100, 1, 10_000, needs=":keys"),
            "id": Setting(default="id", needs=":keys"),
            "timeout": _timeout(1_000),
            "concurrency": _concurrency(4, 256),
        },
        {"query": (":key", ":keys")},
    ),
}
"""The kinds of source whose settings are known here; whether a kind can be built is for the caller to say."""

HTTP_URL: Final = re.compile(r"https?://[^\s\x00-\x1f/?#{}]+([/?#][^\s\x00-\x1f]*)?")
REDIS_URL: Final = re.compile(
    r"rediss?://([^\s\x00-\x1f/?#@{}]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[0-9]{0,6})?"
)
DATABASE_URL: Final = re.compile(r"[a-z][a-z0-9]*(\+[a-z0-9_]+)?://\S*")
PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
PARAMETER: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""What stands for a value in a query: `:key`; a cast such as `::text` is none."""
