"""What a worker is started with.

In: what the supervisor has read and checked. Out: the same in the worker, by its standard input. Rule of the file: a worker reads no settings and no
rules of its own, so that one that is started later works as the others do, whatever the files say by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from engine.event import JsonObject
from engine.rules.compiler import Contents
from engine.rules.snapshot import KeptFiles, relative_to
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class Briefing:
    """One worker's start: its `number`, from 1; the `rules` as `carried` packs them; and whether it makes the demo's traffic.

    `channel` and `connections` are file descriptors that it inherits: one end each of a socket pair with the supervisor.
    """

    number: int
    settings: Settings
    directory: Path
    rules: Mapping[str, object]
    demo: bool
    channel: int = -1
    connections: int = -1


def written(briefing: Briefing) -> bytes:
    """A briefing as bytes. Secrets are in it: it goes through a pipe and nowhere else."""
    parts = {name: getattr(briefing, name) for name in Briefing.__dataclass_fields__}
    return orjson.dumps({**parts, "settings": briefing.settings.model_dump()}, default=_plain)


def read(data: bytes) -> Briefing:
    """The briefing that was written."""
    parts: dict[str, Any] = orjson.loads(data)
    settings = Settings.model_validate(parts.pop("settings"))
    return Briefing(settings=settings, directory=Path(parts.pop("directory")), **parts)


def carried(directory: Path, contents: Contents) -> JsonObject:
    """The contents of a rules directory, to be sent to another process."""
    files = {name: data.decode("utf-8") for name, data in relative_to(directory, contents.files).items()}
    return {"digest": contents.digest, "files": files}


def arrived(directory: Path, rules: Mapping[str, Any]) -> KeptFiles:
    """What was `carried`, to be compiled in the place of what the directory holds."""
    return KeptFiles(directory, {name: text.encode() for name, text in rules["files"].items()})


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
