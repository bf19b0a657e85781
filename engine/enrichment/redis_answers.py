"""Answers of enrichment sources in one Redis, or a cluster, that all workers share.

In: keys and values of `shared.py`. Out: what is there, in time or not at all. Rule of the file: a Redis that is gone or slow costs an event
nothing once that is known: then nobody waits, and one request in the background finds out when it is back.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from redis.asyncio import Redis, RedisCluster

from engine.enrichment.breaker import CircuitBreaker
from engine.enrichment.shared import Write
from engine.enrichment.trouble import Trouble
from engine.ports import Clock
from engine.redis_client import failure_text, redis_client
from engine.rules.model import Breaker
from engine.settings import RedisSettings, SharedCacheSettings

_log = logging.getLogger(__name__)

_NAME: Final = "the shared cache of enrichment sources"
_BREAKER: Final = Breaker(failures=5, failure_rate=0.5, window_ms=10_000, min_calls=20, open_for_ms=1_000, max_open_for_ms=30_000)
_WRITE_TIMEOUT_MS: Final = 1_000
_MOST_AT_ONCE: Final = 500
_LAST_TURNS: Final = 10
"""A loop that was busy sees that a time is over before it sees the answer that has come meanwhile: so many turns bring that."""

_CLOSED_WITHIN_S: Final = 5
Answer = TypeVar("Answer")


def build(redis: RedisSettings, settings: SharedCacheSettings, clock: Clock) -> "RedisAnswers":
    """The answers in the enrichment database; nothing is connected yet. Raises SettingsInvalid where settings do not go together."""
    return RedisAnswers(redis_client(redis, redis.enrichment_db), redis.prefix, settings, clock)


class RedisAnswers:
    """See SharedAnswers. A read has `timeout_ms`; what takes longer goes on behind everybody's back, so that no connection is lost by it."""

    def __init__(self, client: "Redis | RedisCluster", prefix: str, settings: SharedCacheSettings, clock: Clock) -> None:
        self.prefix = prefix
        self._client = client
        self._settings = settings
        self._breaker = CircuitBreaker(_BREAKER, clock)
        self._trouble = Trouble(_NAME, clock)
        self._waiting: dict[bytes, Write] = {}
        self._writer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> int:
        """See SharedAnswers."""
        return len(self._waiting)

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """See SharedAnswers."""
        admitted = self._admitted()
        return None if admitted is None else await self._request(admitted, self._get(keys), self._settings.timeout_ms)

    def write(self, writes: Iterable[Write]) -> None:
        """See SharedAnswers."""
        for write in writes:
            if self._breaker.state != "closed" or len(self._waiting) >= self._settings.max_waiting:
                write.counts.shared_unwritten += 1
                continue
            too_large = write.value is not None and len(write.value) > self._settings.max_value_bytes
            write.counts.shared_unwritten += too_large
            # One that is too large is taken away: what stands there is not what the source says now.
            self._waiting[write.key] = write._replace(value=None) if too_large else write
        if self._waiting and self._writer is None:
            self._writer = self._start(self._write_on())

    async def close(self) -> None:
        """See SharedAnswers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                await self._client.aclose()
        except Exception:  # noqa: BLE001 - nothing depends on it any more, and others are still to be closed
            _log.warning("%s could not be closed", _NAME, exc_info=True)

    def _admitted(self) -> int | None:
        """Whether to ask; while Redis is left alone nobody does, but for one request at a time that nobody waits for."""
        if self._breaker.state == "closed":
            return self._breaker.admit()
        admitted = self._breaker.admit()
        if admitted is not None:
            self._start(self._request(admitted, self._get([f"{self.prefix}:e".encode()]), self._settings.timeout_ms))
        return None

    async def _request(self, admitted: int, request: Coroutine[Any, Any, Answer], timeout_ms: int) -> Answer | None:
        """The answer, None where there is none in time."""
        before = self._breaker.state
        task = self._start(request)
        await asyncio.wait([task], timeout=timeout_ms / 1000)
        for _ in range(_LAST_TURNS):
            if task.done():
                break
            await asyncio.sleep(0)
        failure = None if task.done() else f"no answer within {timeout_ms} ms"
        if task.done() and (error := task.exception()) is not None:
            failure = failure_text(error)
        self._breaker.ended(admitted, well=failure is None)
        if failure is None:
            self._trouble.over()
        else:
            self._trouble.goes_on(failure)
        self._trouble.breaker(before, self._breaker.state)
        return task.result() if failure is None else None

    async def _write_on(self) -> None:
        try:
            while self._waiting:
                some = list(islice(self._waiting.values(), _MOST_AT_ONCE))
                for write in some:
                    del self._waiting[write.key]
                admitted = self._breaker.admit() if self._breaker.state == "closed" else None
                if admitted is None or await self._request(admitted, self._set(some), _WRITE_TIMEOUT_MS) is None:
                    for write in some:
                        write.counts.shared_unwritten += 1
        finally:
            self._writer = None

    async def _get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One request to a server; to a cluster one to each node that has some of the keys."""
        found: list[Any] = []
        for start in range(0, len(keys), _MOST_AT_ONCE):
            some = keys[start : start + _MOST_AT_ONCE]
            if isinstance(self._client, RedisCluster):
                pipeline = self._client.pipeline()
                for key in some:
                    pipeline.get(key)
                found += await pipeline.execute()
            else:
                found += await self._client.mget(some)
        return found

    async def _set(self, writes: Sequence[Write]) -> bool:
        pipeline = self._client.pipeline() if isinstance(self._client, RedisCluster) else self._client.pipeline(transaction=False)
        for write in writes:
            if write.value is None:
                pipeline.delete(write.key)
            else:
                pipeline.set(write.key, write.value, px=write.ttl_ms)
        await pipeline.execute()
        return True

    def _start(self, work: Coroutine[Any, Any, Answer]) -> "asyncio.Task[Answer]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has seen it; of what came too late nobody needs to know
