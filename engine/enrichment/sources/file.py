"""The file source: context from JSON, NDJSON or CSV, held in memory and read again when the file changes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.ports import Clock, LookupLimits
from engine.rules.model import SourceSpec
from engine.rules.source_tables import id_field_of, path_of, read_table, reason_of
from engine.settings import RedisSettings

_log = logging.getLogger(__name__)
_LOOK_EVERY_MS = 1_000


def build(spec: SourceSpec, clock: Clock, _redis: RedisSettings) -> "FileSource":
    """The source of a rule, its file read. Raises LookupFailed where it cannot be."""
    built = FileSource(path_of(spec), id_field_of(spec), clock)
    built.rows()
    return built


class FileSource:
    """A table by key. A file that cannot be read leaves the table as it was, and `problem` saying why."""

    limits = LookupLimits(max_keys=10_000, concurrency=1, timeout_ms=60_000)

    def __init__(self, path: Path, id_field: str | None, clock: Clock) -> None:
        self.problem: str | None = None
        self.version = 0
        self._path = path
        self._id_field = id_field
        self._clock = clock
        self._rows: Mapping[str, JsonObject] | None = None
        self._seen: tuple[int, int, int] | None = None
        self._look_again_ms = 0

    def rows(self) -> Mapping[str, JsonObject]:
        """The whole table; `version` grows whenever it changes. Raises LookupFailed before the first good read."""
        now_ms = self._clock.monotonic_ms()
        if self._rows is None or now_ms >= self._look_again_ms:
            self._look_again_ms = now_ms + _LOOK_EVERY_MS
            self._look()
        if self._rows is None:
            raise LookupFailed(str(self.problem))
        return self._rows

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        """See LookupSource."""
        rows = self.rows()
        return {key: rows[key] for key in keys if key in rows}

    async def close(self) -> None:
        """See LookupSource."""

    def _look(self) -> None:
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._rows = read_table(self._path, self._id_field)
                self._seen = seen
                self.version += 1
            if self.problem is not None:
                _log.warning("enrichment file `%s` can be read again", self._path)
            self.problem = None
        except Exception as error:  # noqa: BLE001 - the pipeline looks here for each batch: whatever a reader raises, no event may stop for it
            problem = f"`{self._path}`: {reason_of(error)}"
            if self.problem is None and self._rows is not None:  # before the first good read, whoever asks is told
                _log.warning("enrichment file %s", problem)
            self.problem = problem
