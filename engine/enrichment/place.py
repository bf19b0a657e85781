"""One place to ask, with what protects it and us: so many look-ups at once, so long each, none while its breaker is open.

In: keys. Out: rows, or LookupFailed. Rule of the file: whatever a place does, LookupFailed is the worst that comes of it; it is logged
when a place begins to fail and when it has recovered, however many look-ups lie between.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from engine.enrichment.breaker import CircuitBreaker
from engine.enrichment.rows import carried
from engine.enrichment.trouble import Trouble
from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Clock, LookupSource

_log = logging.getLogger(__name__)
_CLOSED_WITHIN_S = 5


class BreakerOpen(LookupFailed):
    """The place was not asked: it is being left alone."""


class Answer(NamedTuple):
    """What came of a look-up: `rows` by key, and the keys whose rows are there and cannot be used. A key in neither is not known there."""

    rows: dict[str, JsonObject]
    unusable: frozenset[str]


class Place:
    """Asks one source. `name` says in log lines which one, `fields` what is kept of a row. It owns the source."""

    def __init__(
        self,
        name: str,
        source: LookupSource,
        fields: Sequence[str],
        breaker: CircuitBreaker | None,
        counts: SourceCounts,
        clock: Clock,
    ) -> None:
        self._name = name
        self._source = source
        self._fields = fields
        self._limits = source.limits
        self._breaker = breaker
        self._counts = counts
        self._clock = clock
        self._room = asyncio.Semaphore(self._limits.concurrency)
        self._trouble = Trouble(name, clock)
        self._told_of_rows = False

    @property
    def max_keys(self) -> int:
        """How many keys one `ask` may have."""
        return self._limits.max_keys

    @property
    def breaker(self) -> str:
        """What its breaker is; closed where it has none."""
        return "closed" if self._breaker is None else self._breaker.state

    @property
    def problem(self) -> str | None:
        """Why it fails or is left alone, as it was last time; None where neither is so."""
        return self._trouble.problem if self.breaker == "closed" else self._trouble.last_reason

    @property
    def refuses(self) -> bool:
        """Whether `ask` would raise BreakerOpen now."""
        return self._breaker is not None and self._breaker.refuses

    async def ask(self, keys: Sequence[str]) -> Answer:
        """One look-up, when its turn has come. Raises LookupFailed, and BreakerOpen at once."""
        if self.refuses:
            raise BreakerOpen
        async with self._room:
            if self._breaker is None:
                return await self._lookup(keys)
            admitted = self._breaker.admit()
            if admitted is None:
                raise BreakerOpen
            well = False
            try:
                answer = await self._lookup(keys)
                well = True
            finally:
                before = self._breaker.state
                self._breaker.ended(admitted, well=well)
                self._trouble.breaker(before, self._breaker.state)
        return answer

    async def close(self) -> None:
        """Let go of the source's files and connections, or log why that was not possible."""
        try:
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                await self._source.close()
        except Exception:  # noqa: BLE001 - a plug-in may raise anything, and others are still to be closed
            _log.exception("%s could not be closed", self._name)

    async def _lookup(self, keys: Sequence[str]) -> Answer:
        timeout_ms = self._limits.timeout_ms
        started_ms = self._clock.monotonic_ms()
        self._counts.fetches += 1
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                answer = self._usable(dict(await self._source.lookup(keys)))
        except TimeoutError as error:
            raise self._failed(f"no answer within {timeout_ms} ms") from error
        except LookupFailed as error:
            raise self._failed(str(error)) from error
        except Exception as error:  # a plug-in may raise anything, and no source may stop an event
            raise self._failed(f"{type(error).__name__}: {error}") from error
        finally:
            self._counts.latency.observe((self._clock.monotonic_ms() - started_ms) / 1000)
        self._trouble.over()
        return answer

    def _usable(self, found: dict[str, object]) -> Answer:
        """The rows that an event can carry. One that it cannot is counted as an error, but says nothing of the place: its breaker never hears of it."""
        rows: dict[str, JsonObject] = {}
        unusable = set[str]()
        for key, row in found.items():
            try:
                rows[key] = carried(row, self._fields)
            except LookupFailed as why:
                unusable.add(key)
                self._tell_of_rows(why)
        self._counts.errors += len(unusable)
        return Answer(rows, frozenset(unusable))

    def _tell_of_rows(self, why: LookupFailed) -> None:
        if not self._told_of_rows:
            self._told_of_rows = True
            _log.warning("%s: the row of a key cannot be used: %s; later ones are only counted, as its errors", self._name, why)

    def _failed(self, reason: str) -> LookupFailed:
        self._counts.errors += 1
        self._trouble.goes_on(reason)
        return LookupFailed(reason)
