"""Windows and measures against their plain meaning: the list of all events, and a filter over it."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.event import Event, Submission
from engine.pipeline.aggregate import Aggregator, WindowValues, read_values
from engine.ports import Group, Partial, StoredPartial
from engine.rules.aggregation_codegen import AggregationCode, compile_aggregations
from engine.rules.model import Aggregation, Events, Measure, Path, Ruleset
from engine.rules.model import Test as Leaf
from engine.rules.sketches import Quantile
from engine.testing import ManualClock
from tests.partials import as_stored

SIZE_MS, EVERY_MS = 3_000, 1_000
CALCULATIONS = settings(max_examples=60, deadline=None)


def path(text: str) -> Path:
    return Path(text, (text,))


MEASURES = (
    Measure("n", "count"),
    Measure("right", "count", condition=Leaf(path("ok"), "eq", value=True)),
    Measure("sum", "sum", path("v")),
    Measure("avg", "avg", path("v")),
    Measure("min", "min", path("v")),
    Measure("max", "max", path("v")),
    Measure("first", "first", path("v")),
    Measure("last", "last", path("v")),
    Measure("kinds", "distinct", path("v")),
    Measure("median", "quantile", path("v"), q=0.5),
    Measure("top", "top", path("v"), n=3),
    Measure("lowest", "quantile", path("v"), q=0.0),
    Measure("share", "ratio", of=("right", "n")),
    Measure("gap", "difference", of=("max", "min")),
)


def compiled(size_ms: int, max_keys: int = 1_000) -> AggregationCode:
    rule = Aggregation("a", (("user", path("user")),), size_ms, EVERY_MS, MEASURES, max_keys)
    events = Events(path("type"), path("time"), None)
    return compile_aggregations(Ruleset("0" * 64, events, aggregations={"a": rule}))


HOPPING, TUMBLING = compiled(SIZE_MS), compiled(EVERY_MS)
TIGHT = compiled(EVERY_MS, max_keys=2)
SUBMISSION = Submission([b"{}"], input_name="test", received_ms=0, size_bytes=2, done=lambda _: None)


def make_event(time_ms: int, data: dict[str, object]) -> Event:
    return Event(data, None, "t", time_ms, None, None, 0, 0, SUBMISSION, 0)


values = st.one_of(
    st.integers(-(10**30), 10**30),
    st.integers(-3, 3),
    st.floats(-1e9, 1e9),
    st.sampled_from(["", "1", "a"]),
    st.booleans(),
    st.none(),
    st.just([1]),
)
events = st.lists(
    st.builds(
        lambda user, ok, v: {"user": user, "ok": ok, "v": v},
        st.sampled_from(["u", "w", "x,%"]),
        st.sampled_from([True, False, None, 1]),
        values,
    ),
    max_size=40,
).flatmap(
    # One event a millisecond at most: which of two at one instant is first is not defined across owners.
    lambda rows: st.lists(st.integers(-4_000, 6_000), min_size=len(rows), max_size=len(rows), unique=True).map(
        lambda times: [make_event(time_ms, data) for time_ms, data in zip(times, rows, strict=True)]
    )
)


class Rows:
    """A store of partials, as simple as can be."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Group, str], StoredPartial] = {}

    def write(self, owner: str, partials: Sequence[Partial]) -> None:
        for p in partials:
            self.rows[p.group, owner] = as_stored(owner, p, self.rows.get((p.group, owner)))

    def windows(self, code: AggregationCode, key: str, committed: dict[str, int]) -> list[WindowValues]:
        found = [row for (group, _), row in self.rows.items() if group.key == key]
        return read_values(code.plans[0], found, committed)


def number(value: object) -> bool:
    return type(value) in (int, float)


def identity(value: object) -> tuple[bool, object]:
    return isinstance(value, bool), value


def expected(held: Sequence[Event]) -> dict[str, object]:
    """The figures of a window that holds exactly these events."""
    ordered = [e.data["v"] for e in sorted(held, key=lambda e: e.time_ms)]
    numbers = [v for v in ordered if number(v)]
    scalars = [v for v in ordered if isinstance(v, str | int | float)]
    exact = sum(map(Fraction, numbers), Fraction(0))  # type: ignore[arg-type]  # numbers, by the line above
    counts = Counter(map(identity, scalars))
    right = sum(e.data["ok"] is True for e in held)
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)  # type: ignore[type-var]  # as above
    return {
        "n": len(held),
        "right": right,
        "sum": exact,
        "avg": exact / len(numbers) if numbers else None,
        "min": low,
        "max": high,
        "first": scalars[0] if scalars else None,
        "last": scalars[-1] if scalars else None,
        "kinds": len(counts),
        "median": sorted(numbers)[math.ceil(len(numbers) / 2) - 1] if numbers else None,  # type: ignore[type-var]
        "top": sorted(counts.values(), reverse=True)[:3],
        "lowest": min(numbers) if numbers else None,  # type: ignore[type-var]
        "share": right / len(held),
        "gap": high - low if numbers else None,  # type: ignore[operator]  # both are numbers here
    }


def agrees(seen: dict[str, object], wanted: dict[str, object], scale: float) -> None:
    for name, value in wanted.items():
        got = seen[name]
        if name in ("sum", "avg") and value is not None:
            assert got == pytest.approx(float(value), rel=1e-12, abs=scale * 1e-15), name  # type: ignore[arg-type]
        elif name == "top":
            assert [row["count"] for row in got] == value, name  # type: ignore[attr-defined]
        else:
            assert got == value, name
            assert isinstance(got, bool) == isinstance(value, bool), name


def check(windows: list[WindowValues], held: Sequence[Event], size_ms: int) -> None:
    starts = {start for e in held for start in range(-10_000, 10_000, EVERY_MS) if start <= e.time_ms < start + size_ms}
    assert [(w.start_ms, w.end_ms) for w in windows] == [(start, start + size_ms) for start in sorted(starts)]
    for window in windows:
        inside = [e for e in held if window.start_ms <= e.time_ms < window.end_ms]
        scale = max((abs(float(e.data["v"])) for e in inside if number(e.data["v"])), default=0.0)  # type: ignore[arg-type]
        agrees(window.values, expected(inside), scale)


KEYS = {"u": "user:u", "w": "user:w", "x,%": "user:x%2C%25"}


@pytest.mark.parametrize(("code", "size_ms"), [(TUMBLING, EVERY_MS), (HOPPING, SIZE_MS)], ids=["tumbling", "hopping"])
@CALCULATIONS
@given(stream=events, data=st.data())
def test_any_split_over_owners_reads_as_the_list_of_all_events(
    code: AggregationCode, size_ms: int, stream: list[Event], data: st.DataObject
) -> None:
    owners = [Aggregator(code, ManualClock()) for _ in range(3)]
    for event in stream:
        owners[data.draw(st.integers(0, 2))].add([event], None)
    store = Rows()
    for index, owner in enumerate(owners):
        store.write(str(index), owner.capture(1))
    for user, key in KEYS.items():
        windows = store.windows(code, key, {"0": 1, "1": 1, "2": 1})
        check(windows, [e for e in stream if e.data["user"] == user], size_ms)


@CALCULATIONS
@given(stream=events, data=st.data())
def test_a_group_that_left_memory_and_came_back_is_as_if_it_had_stayed(stream: list[Event], data: st.DataObject) -> None:
    aggregator, store, seq, committed, watermark_ms = Aggregator(TIGHT, ManualClock()), Rows(), 0, 0, -10_000
    for event in stream:
        groups = aggregator.missing([event])
        aggregator.restore([store.rows.get((group, "me")) for group in groups], committed)
        watermark_ms = max(watermark_ms, event.time_ms - data.draw(st.sampled_from([0, 5_000])))
        aggregator.add([event], watermark_ms)
        if data.draw(st.booleans()):
            seq += 1
            store.write("me", aggregator.capture(seq))
            aggregator.committed(seq)
            committed = seq
    store.write("me", aggregator.capture(seq + 1))
    for user, key in KEYS.items():
        held = [e for e in stream if e.data["user"] == user]
        check(store.windows(TIGHT, key, {"me": seq + 1}), held, EVERY_MS)


@CALCULATIONS
@given(before=events, during=events, after=events)
def test_a_reader_sees_what_was_committed_until_the_commit_and_nothing_of_the_next(
    before: list[Event], during: list[Event], after: list[Event]
) -> None:
    aggregator, store = Aggregator(TUMBLING, ManualClock()), Rows()

    def see(committed: int, held: list[Event]) -> None:
        for user, key in KEYS.items():
            mine = [e for e in held if e.data["user"] == user]
            if len({e.time_ms for e in mine}) == len(mine):
                check(store.windows(TUMBLING, key, {"me": committed}), mine, EVERY_MS)

    aggregator.add(before, None)
    store.write("me", aggregator.capture(1))
    aggregator.committed(1)
    aggregator.add(during, None)
    captured = aggregator.capture(2)
    aggregator.add(after, None)
    store.write("me", captured)
    see(1, before)
    see(2, before + during)
    aggregator.committed(2)
    store.write("me", aggregator.capture(3))
    see(2, before + during)
    see(3, before + during + after)


def _filled(stream: list[Event]) -> Aggregator:
    aggregator = Aggregator(TUMBLING, ManualClock())
    aggregator.add(stream, None)
    return aggregator


@CALCULATIONS
@given(stream=events)
def test_decoding_gives_back_the_meaning_that_was_encoded(stream: list[Event]) -> None:
    plan = TUMBLING.plans[0]
    for partial in _filled(stream).capture(1):
        row = as_stored("me", partial)
        once = plan.decode(row.now, row.bases)
        assert plan.values(once) == read_values(plan, [row], {"me": 1})[0].values


def test_quantiles_of_the_same_numbers_are_kept_once() -> None:
    (plan,) = TUMBLING.plans
    slots = plan.initial()

    assert sum(isinstance(slot, Quantile) for slot in slots) == 1
