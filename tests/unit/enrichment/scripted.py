"""A source that answers as it is told, and settings to put around it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.enrichment.contexts import SourceContexts
from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.ports import Clock, LookupLimits, LookupSource
from engine.rules.model import Path, Source, SourceSpec

BUDGET_MS = 100
_TIMEOUT_S = 5


class ScriptedSource:
    """Answers out of `rows` once `gate` is set, or fails with `failure`; `calls` are the keys of each look-up."""

    def __init__(self, rows: Mapping[str, JsonObject] | None = None, **limits: int) -> None:
        self.limits = LookupLimits(**limits)
        self.rows = dict(rows or {})
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[list[str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.closed = False

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        self.calls.append(list(keys))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        return {key: self.rows[key] for key in keys if key in self.rows}

    async def close(self) -> None:
        self.closed = True

    def fail(self, reason: str = "it is down") -> None:
        self.failure = LookupFailed(reason)

    def recover(self) -> None:
        self.failure = None


def contexts(clock: Clock, *places: LookupSource, **settings: Any) -> SourceContexts:
    chain = tuple(SourceSpec("scripted", {}) for _ in places)
    return SourceContexts(Source("user", Path("user_id", ("user_id",)), chain, **settings), places, BUDGET_MS, clock)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - whatever is waited for, not an event of ours
            await asyncio.sleep(0)
