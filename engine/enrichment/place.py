"""One place to ask, with what protects it and us: so many look-ups at once, so long each, none while its breaker is open.

In: keys. Out: rows, or LookupFailed. Rule of the file: whatever a place does, LookupFailed is the worst that comes of it; it is logged
when a place begins to fail and when it has recovered, however many look-ups lie between.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from engine.enrichment.breaker import CircuitBreaker
from engine.enrichment.trouble import Trouble
from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Clock, LookupSource

_log = logging.getLogger(__name__)
_CLOSED_WITHIN_S = 5


class BreakerOpen(LookupFailed):
    """The place was not asked: it is being left alone."""


class Place:
    """Asks one source. `name` says in log lines which one. It owns the source."""

    def __init__(
        self, name: str, source: LookupSource, breaker: CircuitBreaker | None, counts: SourceCounts, clock: Clock
    ) -> None:
        self._name = name
        self._source = source
        self._limits = source.limits
        self._breaker = breaker
        self._counts = counts
        self._clock = clock
        self._room = asyncio.Semaphore(self._limits.concurrency)
        self._trouble = Trouble(name, clock)

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

    async def ask(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        """One look-up, when its turn has come; what is left out is not there. Raises LookupFailed, and BreakerOpen at once."""
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
                rows = await self._lookup(keys)
                well = True
            finally:
                before = self._breaker.state
                self._breaker.ended(admitted, well=well)
                self._trouble.breaker(before, self._breaker.state)
        return rows

    async def close(self) -> None:
        """Let go of the source's files and connections, or log why that was not possible."""
        try:
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                await self._source.close()
        except Exception:  # noqa: BLE001 - a plug-in may raise anything, and others are still to be closed
            _log.exception("%s could not be closed", self._name)

    async def _lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        timeout_ms = self._limits.timeout_ms
        started_ms = self._clock.monotonic_ms()
        self._counts.fetches += 1
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                rows = _checked(await self._source.lookup(keys))
        except TimeoutError as error:
            raise self._failed(f"no answer within {timeout_ms} ms") from error
        except LookupFailed as error:
            raise self._failed(str(error)) from error
        except Exception as error:  # a plug-in may raise anything, and no source may stop an event
            raise self._failed(f"{type(error).__name__}: {error}") from error
        finally:
            self._counts.latency.observe((self._clock.monotonic_ms() - started_ms) / 1000)
        self._trouble.over()
        return rows

    def _failed(self, reason: str) -> LookupFailed:
        self._counts.errors += 1
        self._trouble.goes_on(reason)
        return LookupFailed(reason)


def _checked(rows: Mapping[str, JsonObject]) -> Mapping[str, JsonObject]:
    """The rows, where they are what a plug-in promises; raises LookupFailed where they are not."""
    if not all(isinstance(row, dict) for row in rows.values()):
        raise LookupFailed("a row is no object")
    return rows
