"""A recording through one ruleset, or through two at once.

In: a recording, one plan or two, and where contexts come from. Out: the counts of each, and what they decided otherwise. Rule of the file: one pass, in memory with a
bound; what is compared is forgotten.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from engine.event import JsonObject
from engine.operations.summary import summary, write_aggregates
from engine.replays.clock import ReplayClock, steps
from engine.replays.differences import Differences
from engine.replays.items import Item, read_items
from engine.replays.lane import Enrichment, Lane, StoreMaker, open_lane
from engine.replays.reasons import Side
from engine.replays.recording import Source
from engine.replays.sent import Sent
from engine.replays.windows import AggregateDifferences, compare_windows
from engine.rules.plan import Plan
from engine.rules.times import parse_time
from engine.state.memory import MemoryStateStore


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many events are kept of each group of changes, and how many changed windows of each aggregation."""

    samples: int
    windows: int


@dataclass(slots=True)
class Replayed:
    """What a replay came to. `kinds` counts lines by what stood on them. `old` is None where one ruleset was replayed alone.

    The counts are in the form that `process --summary` writes.
    """

    new: JsonObject
    old: JsonObject | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    differences: Differences | None = None
    windows: list[AggregateDifferences] = field(default_factory=list)


async def replay(
    recording: Source,
    new: Plan,
    old: Plan | None,
    enrichment: Enrichment,
    make_store: StoreMaker,
    bounds: Bounds,
    on_block: Callable[[], None],
) -> Replayed:
    """Replay a recording; `on_block` is called as it is read.

    Raises QuestionInvalid where it cannot be read to its end, and SettingsInvalid or LookupFailed where a source cannot be built.
    """
    clock = ReplayClock()
    async with AsyncExitStack() as stack:
        plans = [plan for plan in (old, new) if plan is not None]
        lanes = [
            await stack.enter_async_context(open_lane(plan, make_store, clock, enrichment, watched=old is not None))
            for plan in plans
        ]
        differences = None if old is None else Differences(Side(old), Side(new), bounds.samples)
        run = _Run(clock, lanes, differences)
        started_s = time.perf_counter()
        for block in recording.blocks():
            await run.take(read_items(block))
            on_block()
        await run.finish()
        counts = [await _counts(lane, time.perf_counter() - started_s) for lane in lanes]
        windows = [] if old is None else await compare_windows((old, lanes[0].store), (new, lanes[1].store), bounds.windows)
        return Replayed(counts[-1], counts[0] if old is not None else None, run.kinds, differences, windows)


class _Run:
    def __init__(self, clock: ReplayClock, lanes: Sequence[Lane], differences: Differences | None) -> None:
        self.kinds: Counter[str] = Counter()
        self._clock = clock
        self._lanes = lanes
        self._differences = differences
        self._waiting: deque[tuple[Sequence[Item], Sent, Sent]] = deque()
        self._read_time = lanes[-1].plan.events.read_time
        ttls_ms = [rule.ttl_ms for lane in lanes for rule in lane.plan.ruleset.deduplication.values()]
        self._longest_ms = min(ttls_ms, default=None)

    async def take(self, items: Sequence[Item]) -> None:
        """Have all lanes see the items, one step after the other."""
        self.kinds.update(item.kind for item in items)
        for step, times_ms in steps(items, self._time_of, self._longest_ms):
            self._clock.follow(times_ms)
            sent = [await lane.send(step) for lane in self._lanes]
            if self._differences is not None:
                self._waiting.append((step, sent[0], sent[1]))
                self._compare()

    async def finish(self) -> None:
        """Have everything end that was held."""
        for lane in self._lanes:
            await lane.finish()
        self._compare()

    def _compare(self) -> None:
        """Compare what has ended in both, in the order of the recording."""
        while self._differences is not None and self._waiting:
            items, old, new = self._waiting[0]
            if old.pending or new.pending:
                return
            self._waiting.popleft()
            self._differences.compare(items, old, new)
            old.forget()
            new.forget()

    def _time_of(self, item: Item) -> int | None:
        return None if item.data is None else parse_time(self._read_time(item.data))


async def _counts(lane: Lane, seconds: float) -> JsonObject:
    groups = await write_aggregates(lane.plan, lane.store, None)
    forgotten = lane.store.claims_forgotten if isinstance(lane.store, MemoryStateStore) else 0
    return summary(lane.processor, lane.plan, groups, lane, forgotten, seconds)
