"""The windows of one key of an aggregation, read while events flow.

In: what was asked. Out: the newest windows of one consistent picture. Rule of the file: how far event time has come is looked at before the
picture is taken, so that a window called final is complete in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from engine.errors import NotKnown, QueryInvalid
from engine.event import JsonObject
from engine.ports import StoredPartial
from engine.rules.aggregation_plan import AggregationPlan, WindowValues, committed_value, read_values
from engine.rules.diagnostics import did_you_mean, shown
from engine.rules.keys import canonical_key, key_shape
from engine.rules.times import MIN_TIME_MS, format_nearest
from engine.rules.windows import panes_of

ReadRange = Callable[[str, str, int, int], Awaitable[tuple[Sequence[StoredPartial], Mapping[str, int]]]]
"""One picture of a key of an aggregation, of the panes that start in a range: the partials, and what their owners had committed."""


async def read_windows(
    read_range: ReadRange,
    plans: Mapping[str, AggregationPlan],
    watermarks_ms: Mapping[str, int],
    *,
    aggregator: str,
    key: str,
    from_ms: int,
    to_ms: int,
    limit: int,
) -> JsonObject:
    """The `limit` newest windows that begin in [from_ms, to_ms), newest first, as `GET /processor/aggregation` answers.

    `watermarks_ms` are those of what is committed, by input. Raises NotKnown for an aggregation that is not there, QueryInvalid for a key that
    has another shape than its own, StoreUnavailable where the store does not answer.
    """
    plan = _plan(plans, aggregator)
    stored_key = _key(plan, key)
    reach_ms = plan.rule.size_ms - plan.rule.every_ms
    partials, committed = await read_range(plan.state_id, stored_key, from_ms, to_ms + reach_ms)
    windows = await asyncio.to_thread(_windows, plan, partials, committed, range(from_ms, to_ms), limit)
    complete_ms = min(watermarks_ms.values(), default=MIN_TIME_MS)
    return {
        "aggregator": aggregator,
        "key": stored_key,
        "windows": [
            {
                "start": format_nearest(window.start_ms),
                "end": format_nearest(window.end_ms),
                "final": window.end_ms + plan.rule.allow_late_ms <= complete_ms,
                "values": window.values,
            }
            for window in windows
        ],
    }


def _plan(plans: Mapping[str, AggregationPlan], name: str) -> AggregationPlan:
    if name in plans:
        return plans[name]
    hint = did_you_mean(name, plans)
    raise NotKnown(f"there is no aggregation `{shown(name)}`" + (f"; {hint}" if hint else ""))


def _key(plan: AggregationPlan, text: str) -> str:
    names = [name for name, _ in plan.rule.key]
    key = canonical_key(names, text)
    if key is None and not names:
        raise QueryInvalid(f"`key` is `{shown(text)}`; `{plan.rule.id}` has one group for everything: leave it out")
    if key is None and not text:
        raise QueryInvalid(f"`key` is missing; expected `{key_shape(names)}`")
    if key is None:
        raise QueryInvalid(f"`key` is `{shown(text)}`; expected `{key_shape(names)}`, with `%2C` for a comma inside a value")
    return key


def _windows(
    plan: AggregationPlan, partials: Sequence[StoredPartial], committed: Mapping[str, int], begin_in: range, limit: int
) -> list[WindowValues]:
    """The newest windows of a picture; only what they are made of is decoded."""
    size_ms, every_ms = plan.rule.size_ms, plan.rule.every_ms
    rows = [row for row in partials if committed_value(row, committed)]
    starts = _newest_starts({row.group.start_ms for row in rows}, size_ms, every_ms)
    newest = frozenset(islice((start for start in starts if start in begin_in), limit))
    panes = frozenset(chain.from_iterable(panes_of(start, size_ms, every_ms) for start in newest))
    windows = read_values(plan, [row for row in rows if row.group.start_ms in panes], committed)
    return [window for window in reversed(windows) if window.start_ms in newest]


def _newest_starts(panes: Iterable[int], size_ms: int, every_ms: int) -> Iterator[int]:
    """The starts of all windows that hold one of these panes, the newest first; each once."""
    above_ms: int | None = None
    for pane in sorted(panes, reverse=True):
        first_ms = pane if above_ms is None else min(pane, above_ms - every_ms)
        for start_ms in range(first_ms, pane - size_ms, -every_ms):
            yield start_ms
            above_ms = start_ms
