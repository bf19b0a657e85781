"""What one worker knows of itself at one moment, as a plain value; those of several workers merge into one.

In: the numbers of each worker. Out: one `Snapshot`, from which every statistic is shown. Rule of the file: only numbers, text, lists and
dicts by text, so that a snapshot can go through a pipe as JSON; how a figure merges stands beside it.

Counts and durations add up, dicts merge by key, and of anything else the first is kept, unless the field says otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import reduce
from typing import Any, Final

from engine.event import MAX_SAMPLES

Figures = dict[str, int]

_HOW: Final = "merge"


def _most(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else max(a, b)


def _least(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else min(a, b)


def _first(a: Any, b: Any) -> Any:
    return b if a is None else a


def _each_once(a: list[Any], b: list[Any]) -> list[Any]:
    return [*a, *(value for value in b if value not in a)]


def _least_of_each(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return {name: _least(a.get(name), b.get(name)) for name in (*a, *b)}


def _newest(a: list[Any], b: list[Any]) -> list[Any]:
    """The samples of both, as many as one keeps."""
    return sorted([*a, *b], key=lambda sample: -sample["time_ms"])[:MAX_SAMPLES]


_BREAKERS: Final = ("closed", "half_open", "open")


def _worst_breaker(a: str, b: str) -> str:
    return max(a, b, key=_BREAKERS.index)


MOST: Final = {_HOW: _most}
LEAST: Final = {_HOW: _least}
FIRST: Final = {_HOW: _first}


@dataclass(frozen=True, slots=True)
class DurationFigures:
    """As `Durations`: one count for each of its bounds, and one for what took longer."""

    counts: list[int]
    total_s: float


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """What waits, in events but for the bytes, and how much may. `held` waits for its order, `deferred` for the store.

    `held_early` counts events that left before their time because too many were held; `returned` were answered as received and go through the
    stages again; `copies` wait for the events in flight that they are copies of; `deferred_bytes` is what deferred events came in as. `recent_keys` and `tracked_keys` are what is remembered.
    """

    events: int
    max_events: int
    size_bytes: int
    max_bytes: int
    held: int
    deferred: int
    max_deferred: int
    max_held: int = 0
    held_bytes: int = 0
    held_early: int = 0
    returned: int = 0
    copies: int = 0
    max_copies: int = 0
    recent_keys: int = 0
    tracked_keys: int = 0
    deferred_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SeamFigures:
    """The store, or the egress. `problem` says what keeps it from working, None where nothing does; `down` is how many workers have one."""

    kind: str = field(metadata=FIRST)
    problem: str | None = field(metadata=FIRST)
    down: int


@dataclass(frozen=True, slots=True)
class FilterFigures:
    """One filter. `counts` and `samples`, the newest first, are those of `FilterCounts`; `rollout` is as it is written; `last_match_ms` is the time of the latest event that matched."""

    mode: str = field(metadata=FIRST)
    description: str = field(metadata=FIRST)
    actions: list[dict[str, object]] = field(metadata=FIRST)
    counts: Figures
    last_match_ms: int | None = field(metadata=MOST)
    samples: list[dict[str, Any]] = field(default_factory=list, metadata={_HOW: _newest})
    rollout: dict[str, Any] | None = field(default=None, metadata=FIRST)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One enrichment source. `counts` are those of `SourceCounts`, `kinds` its places in the order they are asked. `waiting` keys are asked for, or wait for their turn; `problem` says which place fails, and why."""

    kinds: list[str] = field(metadata=FIRST)
    breaker: str = field(metadata={_HOW: _worst_breaker})
    entries: int
    counts: Figures
    latency: DurationFigures
    max_entries: int = 0
    waiting: int = 0
    max_waiting: int = 0
    problem: str | None = field(default=None, metadata=FIRST)


@dataclass(frozen=True, slots=True)
class AggregationFigures:
    """One aggregation. `counts` are those of `AggregationCounts`; `max_keys` is how many keys may be in memory."""

    description: str = field(metadata=FIRST)
    key: list[str] = field(metadata=FIRST)
    size_ms: int = field(metadata=FIRST)
    every_ms: int = field(metadata=FIRST)
    allow_late_ms: int = field(metadata=FIRST)
    retain_ms: int = field(metadata=FIRST)
    measures: dict[str, str] = field(metadata=FIRST)
    max_keys: int
    counts: Figures


@dataclass(frozen=True, slots=True)
class RulesLoad:
    """The last attempt to put rules into service, the one at the start included. Of several workers the worst and the oldest counts."""

    successful: bool = field(metadata=LEAST)
    at_ms: int = field(metadata=LEAST)


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One of several workers: its process, its rules, how many connections it has, and how many events it has taken in."""

    pid: int
    ruleset: str
    connections: int
    received: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is shown of the engine.

    `reasons` are what keeps it from being well, beside what the other parts say. `rulesets` says how many workers run each; `stopping` how many are. `busy` is the share of the last minute that a worker spent
    computing, and of several their sum; `events_per_second` is what ended in that minute. `watermarks_ms` is by input, and of what is
    committed. `process` holds the figures of the operating system, by the names they have in Prometheus. `workers` are running, of
    `workers_wanted`; `worker_deaths` counts those that ended though nobody had told them to. `each_worker` is by number, and empty where
    there is no more than one. `claims_forgotten` are those that the store gave up to stay within its bound. `kept` is what else is in memory, and
    how much may be, as `LiveParts` says; what a worker has none of is left out.
    """

    version: str = field(metadata=FIRST)
    rulesets: Figures
    rules_load: RulesLoad
    started_ms: int = field(metadata=LEAST)
    now_ms: int = field(metadata=MOST)
    stopping: int
    ledger: Figures
    counters: Figures
    routes: Figures
    queue: QueueFigures
    store: SeamFigures
    egress: SeamFigures
    durations: DurationFigures
    busy: float
    events_per_second: float
    filters: dict[str, FilterFigures]
    sources: dict[str, SourceFigures]
    aggregations: dict[str, AggregationFigures]
    reasons: list[str] = field(metadata={_HOW: _each_once})
    watermarks_ms: Figures = field(metadata={_HOW: _least_of_each})
    process: dict[str, float]
    workers: int = 1
    workers_wanted: int = field(default=1, metadata=MOST)
    worker_deaths: int = 0
    each_worker: dict[str, WorkerFigures] = field(default_factory=dict)
    shadow: Figures = field(default_factory=dict)
    claims_forgotten: int = 0
    kept: Figures = field(default_factory=dict)

    @property
    def ruleset(self) -> str:
        """The ruleset that most workers run."""
        return max(self.rulesets, key=self.rulesets.__getitem__)


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of all workers. Raises TypeError where there is none."""
    merged: Snapshot = reduce(_merged, snapshots)
    return merged


def _merged(a: Any, b: Any) -> Any:
    """Two values of one kind as one."""
    if is_dataclass(a):
        return _merged_parts(a, b)
    if isinstance(a, dict):
        return {name: _merged(a[name], b[name]) if name in a and name in b else {**b, **a}[name] for name in (*a, *b)}
    if isinstance(a, list):
        return [_merged(one, other) for one, other in zip(a, b, strict=True)]
    return a + b


def _merged_parts(a: Any, b: Any) -> Any:
    parts = {}
    for part in fields(a):
        how: Callable[[Any, Any], Any] = part.metadata.get(_HOW, _merged)
        parts[part.name] = how(getattr(a, part.name), getattr(b, part.name))
    return type(a)(**parts)
