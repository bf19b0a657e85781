"""Answers of one source that all workers share, behind their local caches.

In: keys that are not kept here, answers that came from a place. Out: what another worker has found, and how long it is still good. Rule of the
file: nothing here can fail or wait for long; what is not at hand in time is asked for as if there were no such cache.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import orjson

from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Clock
from engine.rules.model import Source

_FORM: Final = 1
"""Which form of value this version writes and reads: `[form, when it was found, the row or null]`, as JSON."""


class Write(NamedTuple):
    """An answer to be kept for `ttl_ms`, or None to be forgotten. `counts` are those of its source."""

    key: bytes
    value: bytes | None
    ttl_ms: int
    counts: SourceCounts


class SharedAnswers(Protocol):
    """Bytes by key, somewhere that all workers can reach; one a process."""

    @property
    def prefix(self) -> str:
        """What all keys of this installation begin with."""

    @property
    def waiting(self) -> int:
        """How many answers wait to be written."""

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """What is kept for each key, in order; None where it cannot be asked now, or does not answer in time. Never raises."""

    def write(self, writes: Iterable[Write]) -> None:
        """Keep answers soon. What cannot be kept is counted as `shared_unwritten` of its source, and is no harm."""

    async def close(self) -> None:
        """Let go of connections; what was not written yet is not written."""


class Kept(NamedTuple):
    """An answer of another worker: the row, None where there is nothing, and how long it is good from now on."""

    row: JsonObject | None
    left_ms: int


class SharedCache:
    """The shared answers of one source, under keys that no other configuration of a source has."""

    def __init__(self, answers: SharedAnswers, source: Source, counts: SourceCounts, clock: Clock) -> None:
        self._answers = answers
        self._rule = source.cache
        self._ttl_ms = source.cache.shared_ttl_ms or 0
        self._counts = counts
        self._clock = clock
        self._beginning = f"{answers.prefix}:e:{fingerprint(source)}:"
        self._not_for_ms = int(self._ttl_ms * (1 - (source.cache.refresh_ahead or 1)))

    async def read(self, keys: Sequence[str], *, ahead: bool = False) -> Mapping[str, Kept]:
        """What others have found. With `ahead`, for a refresh, not what ought to be asked for again itself."""
        values = await self._answers.read([self._name(key) for key in keys])
        if values is None:
            self._counts.shared_skipped += len(keys)
            return {}
        now_ms = self._clock.now_ms()
        found: dict[str, Kept] = {}
        for key, value in zip(keys, values, strict=True):
            kept = None if value is None else self._kept(value, now_ms)
            if kept is not None and not (ahead and kept.left_ms <= self._not_for_ms):
                found[key] = kept
        return found

    def keep(self, key: str, row: JsonObject | None) -> None:
        """Share what a place has answered just now: a row, or that there is nothing, where that is kept."""
        ttl_ms = self._ttl_ms if row is not None else self._rule.negative_ttl_ms
        value = None if ttl_ms is None else orjson.dumps([_FORM, self._clock.now_ms(), row])
        self._answers.write([Write(self._name(key), value, ttl_ms or 0, self._counts)])

    def _name(self, key: str) -> bytes:
        return (self._beginning + key).encode("utf-8", "surrogatepass")

    def _kept(self, value: bytes, now_ms: int) -> Kept | None:
        """The answer in a value; None where it is not of our form, or is no longer kept by the rule."""
        try:
            form, found_ms, row = orjson.loads(value)
        except (ValueError, TypeError):
            return None
        ttl_ms = self._ttl_ms if row is not None else self._rule.negative_ttl_ms
        if form != _FORM or ttl_ms is None or type(found_ms) is not int or not isinstance(row, dict | None):
            return None
        # The clocks of two machines differ: that it is still there says that some of its time is left.
        return Kept(row, min(max(1, found_ms + ttl_ms - now_ms), ttl_ms))


def fingerprint(source: Source) -> str:
    """What stands for everything that decides what a key's answer is: places and fields. How answers are kept does not."""
    # A relative path means another file in another directory.
    places = [
        [spec.kind, spec.settings, str(Path(spec.span.file).parent) if spec.kind == "file" else ""] for spec in source.chain
    ]
    said = orjson.dumps([_FORM, places, source.fields], option=orjson.OPT_SORT_KEYS, default=repr)
    return hashlib.sha256(said).hexdigest()[:16]
