"""What can be asked of the engine, answered.

In: questions from HTTP. Out: JSON objects, and Prometheus text. Rule of the file: every answer is made from one snapshot of all workers.
"""

from collections.abc import Awaitable, Callable

from engine.event import JsonObject
from engine.operations import statistics
from engine.operations.aggregates import ReadRange, read_windows
from engine.operations.prometheus import exposition
from engine.operations.snapshot import Snapshot
from engine.rules.plan import Plan


class EngineStatistics:
    """Answers from a snapshot, and from the store, which `read_range` reads. `plan` is the one in service."""

    def __init__(self, snapshot: Callable[[], Awaitable[Snapshot]], plan: Callable[[], Plan], read_range: ReadRange) -> None:
        self._snapshot = snapshot
        self._plan = plan
        self._read_range = read_range

    async def processor(self) -> JsonObject:
        """See Statistics."""
        return statistics.processor_metrics(await self._snapshot())

    async def enrichment(self) -> JsonObject:
        """See Statistics."""
        return statistics.enrichment(await self._snapshot())

    async def filters(self) -> JsonObject:
        """See Statistics."""
        return statistics.filters(await self._snapshot())

    async def aggregations(self) -> JsonObject:
        """See Statistics."""
        return statistics.aggregations(await self._snapshot())

    async def prometheus(self, accept: str) -> tuple[bytes, str]:
        """See Statistics."""
        return exposition(await self._snapshot(), accept)

    async def aggregation(self, aggregator: str, key: str, from_ms: int, to_ms: int, limit: int) -> JsonObject:
        """See Statistics."""
        watermarks_ms = (await self._snapshot()).watermarks_ms
        plans = self._plan().aggregations
        return await read_windows(
            self._read_range, plans, watermarks_ms, aggregator=aggregator, key=key, from_ms=from_ms, to_ms=to_ms, limit=limit
        )
