"""The live accumulators of one owner, from outside: events in, partials and values out."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from engine.event import Event, Submission
from engine.pipeline.aggregate import Aggregator, read_values
from engine.ports import Partial, StoredPartial
from engine.rules import measures
from engine.rules.aggregation_codegen import AggregationCode, compile_aggregations
from engine.rules.model import Aggregation, Condition, Events, Measure, Path, Route, Ruleset, Use
from engine.rules.model import Test as Leaf
from engine.testing import ManualClock
from tests.partials import as_stored

HOUR = 3_600_000
SUBMISSION = Submission([b"{}"], input_name="test", received_ms=0, size_bytes=2, done=lambda _: None)


def path(text: str) -> Path:
    return Path(text, tuple(text.split(".")))


COUNT = Measure("n", "count")
RULE = Aggregation("a", (("user", path("user")),), HOUR, HOUR, (COUNT,), 1_000)


def make_event(time_ms: int = 0, **data: object) -> Event:
    return Event(data, None, "t", time_ms, None, None, 0, 0, SUBMISSION, 0)


def make_code(*rules: Aggregation, conditions: dict[str, Condition] | None = None) -> AggregationCode:
    events = Events(path("type"), path("time"), None)
    routes = {"late": Route("late", "events.late")}
    by_id = {rule.id: rule for rule in rules}
    return compile_aggregations(Ruleset("0" * 64, events, aggregations=by_id, routes=routes, conditions=conditions or {}))


def stored(partials: Sequence[Partial]) -> list[StoredPartial]:
    return [as_stored("me", p) for p in partials]


def figures(code: AggregationCode, partials: Sequence[Partial]) -> dict[str, dict[str, object]]:
    """By key, the values of its one window."""
    return {row.group.key: read_values(code.plans[0], [row], {"me": row.seq})[0].values for row in stored(partials)}


def test_a_group_that_is_committed_takes_less_than_a_kilobyte() -> None:
    aggregator = Aggregator(make_code(RULE), ManualClock())
    tracemalloc.start()
    try:
        aggregator.add([make_event(user=f"u{number}") for number in range(1_000)], None)
        aggregator.capture(1)
        aggregator.committed(1)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size_bytes / 1_000 < 1_024


def counted(rule: Aggregation, events: Sequence[Event], watermark_ms: int | None = None) -> dict[str, dict[str, object]]:
    code = make_code(rule)
    aggregator = Aggregator(code, ManualClock())
    aggregator.add(events, watermark_ms)
    return figures(code, aggregator.capture(1))


@pytest.mark.parametrize(
    ("value", "key"),
    [("u1", "user:u1"), (7, "user:7"), (True, "user:true"), (1.5, "user:1.5"), ("a,b%", "user:a%2Cb%25"), ("", "user:")],
)
def test_a_scalar_is_a_key_and_its_text_is_escaped(value: object, key: str) -> None:
    assert list(counted(RULE, [make_event(user=value)])) == [key]


@pytest.mark.parametrize("data", [{}, {"user": None}, {"user": ["u"]}, {"user": {"id": 1}}])
def test_an_event_without_a_key_is_counted_as_unkeyed_and_in_no_group(data: dict[str, object]) -> None:
    aggregator = Aggregator(make_code(RULE), ManualClock())
    aggregator.add([make_event(0, **data)], None)
    assert aggregator.capture(1) == []
    assert (aggregator.live[0].unkeyed, aggregator.live[0].events) == (1, 0)


def test_several_parts_are_joined_and_none_is_the_whole_system() -> None:
    two = replace(RULE, key=(("user", path("user")), ("item", path("item"))))
    assert list(counted(two, [make_event(user="u", item=9)])) == ["user:u,item:9"]
    assert list(counted(replace(RULE, key=()), [make_event()])) == [""]


def test_windows_before_the_epoch_start_at_multiples_of_their_size() -> None:
    aggregator = Aggregator(make_code(RULE), ManualClock())
    aggregator.add([make_event(-1, user="u"), make_event(0, user="u")], None)
    assert sorted(p.group.start_ms for p in aggregator.capture(1)) == [-HOUR, 0]


def test_only_aggregations_that_include_blocked_events_count_them() -> None:
    code = make_code(RULE, replace(RULE, id="b", blocked="include"))
    aggregator = Aggregator(code, ManualClock())
    event = make_event(user="u")
    event.blocked = ("bot", "bot")
    aggregator.add([event], None)
    assert [live.events for live in aggregator.live] == [0, 1]
    assert code.counts_blocked
    assert not make_code(RULE).counts_blocked


def test_a_late_event_is_counted_in_its_group_and_as_late() -> None:
    aggregator = Aggregator(make_code(replace(RULE, allow_late_ms=1_000)), ManualClock())
    aggregator.add([make_event(user="u")], HOUR + 999)
    assert aggregator.live[0].late == 0
    aggregator.add([make_event(user="u")], HOUR + 1_000)
    assert (aggregator.live[0].late, aggregator.live[0].events) == (1, 2)


@pytest.mark.parametrize("data", [{"user": "u"}, {}])
@pytest.mark.parametrize("watermark_ms", [None, HOUR - 1, HOUR])
def test_a_late_event_is_routed_exactly_where_it_is_not_counted_for_being_late(
    data: dict[str, object], watermark_ms: int | None
) -> None:
    code = make_code(replace(RULE, late_route="late"))
    aggregator, event = Aggregator(code, ManualClock()), make_event(0, **data)
    assert code.late_routes is not None
    code.late_routes([event], watermark_ms)
    aggregator.add([event], watermark_ms)
    assert (event.routes, event.copies) == ((("late",), ("events.late",)) if aggregator.live[0].late else ((), ()))
    assert aggregator.live[0].late + aggregator.live[0].unkeyed + aggregator.live[0].events == 1


def test_capture_carries_what_was_committed_before_it() -> None:
    code = make_code(RULE)
    aggregator = Aggregator(code, ManualClock())
    aggregator.add([make_event(user="u")], None)
    first = aggregator.capture(3)
    aggregator.committed(3)
    aggregator.add([make_event(user="u")], None)
    (second,) = aggregator.capture(8)
    assert (first[0].prev_seq, first[0].prev) == (0, b"")
    assert (second.prev_seq, second.prev) == (3, first[0].now)
    assert aggregator.capture(9) == []


def test_a_commit_writes_what_is_new_of_a_sketch_and_any_two_commits_can_be_read() -> None:
    number = Measure("p", "quantile", field=path("number"), q=0.5)
    code = make_code(replace(RULE, measures=(COUNT, Measure("users", "distinct", field=path("number")), number)))
    aggregator, row, written = Aggregator(code, ManualClock()), None, 0
    for seq in range(1, 1_001):
        aggregator.add([make_event(user="u", number=seq)], None)
        [partial] = aggregator.capture(seq)
        aggregator.committed(seq)
        row = as_stored("me", partial, row)
        written += len(partial.now) + len(partial.prev) + (0 if partial.base is None else len(partial.base.value))
        for committed in (seq, seq - 1) if seq > 1 else (seq,):
            [window] = read_values(code.plans[0], [row], {"me": committed})
            assert (window.values["n"], window.values["users"]) == (committed, committed)
            assert window.values["p"] == pytest.approx(committed / 2, abs=1 + committed / 50)

    assert row is not None
    assert min(map(len, row.bases)) > 4_000, "what each commit would write otherwise, and more"
    assert written / 1_000 < 1_500


def test_a_partial_outlives_its_window_and_its_last_writing_by_the_retention() -> None:
    clock = ManualClock(5 * HOUR)
    aggregator = Aggregator(make_code(replace(RULE, allow_late_ms=10, retain_ms=7)), clock)
    aggregator.add([make_event(0, user="u"), make_event(9 * HOUR, user="u")], None)
    assert sorted(p.expires_ms for p in aggregator.capture(1)) == [5 * HOUR + 7, 10 * HOUR + 17]


def test_keys_beyond_the_limit_are_rejected_and_counted() -> None:
    aggregator = Aggregator(make_code(replace(RULE, max_keys=2, on_overflow="reject")), ManualClock())
    aggregator.add([make_event(user=name) for name in "abcab"], None)
    assert [p.group.key for p in aggregator.capture(1)] == ["user:a", "user:b"]
    assert (aggregator.live[0].overflow, aggregator.live[0].events) == (1, 4)


def test_a_known_key_is_not_rejected_in_its_next_window() -> None:
    aggregator = Aggregator(make_code(replace(RULE, max_keys=2, on_overflow="reject")), ManualClock())
    aggregator.add([make_event(hour * HOUR, user=name) for hour in (0, 1) for name in "ab"], None)
    assert aggregator.live[0].overflow == 0


def test_the_least_recently_touched_leave_first_and_nothing_that_waits_for_a_commit() -> None:
    aggregator = Aggregator(make_code(replace(RULE, max_keys=2)), ManualClock())
    for seq, names in enumerate(("ab", "b", "c"), start=1):
        aggregator.add([make_event(user=name) for name in names], None)
        if seq < 3:
            aggregator.capture(seq)
            aggregator.committed(seq)
    aggregator.capture(3)
    aggregator.add([make_event(user="c")], None)
    aggregator.committed(3)
    gone = aggregator.missing([make_event(user=name) for name in "abc"])
    assert "user:a" in [group.key for group in gone]
    assert "user:c" not in [group.key for group in gone]
    assert aggregator.live[0].evicted == len(gone)


def test_where_nothing_left_memory_nothing_is_read_back() -> None:
    aggregator = Aggregator(make_code(RULE), ManualClock())
    assert aggregator.missing([make_event(user="u")]) == []


class Refuses:
    """A measure of a user's own that raises for some values: it adds up."""

    def create(self) -> int:
        return 0

    def update(self, state: int, value: int) -> int:
        if not isinstance(value, int):
            raise TypeError(f"not an int: {value!r}")
        return state + value

    def merge(self, a: int, b: int) -> int:
        return a + b

    def result(self, state: int) -> int:
        return state

    def to_bytes(self, state: int) -> bytes:
        return str(state).encode()

    def from_bytes(self, value: bytes) -> int:
        return int(value)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Measure:
    """The entry point that an installed package would bring."""
    point = EntryPoint("refuses", f"{__name__}:Refuses", "rulemill.measures")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Refuses())
    monkeypatch.setattr(measures, "entry_points", lambda **_: [point])
    return Measure("own", "custom", path("v"), plugin="refuses")


def test_a_custom_measure_is_stored_and_read_back(plugin: Measure) -> None:
    found = counted(replace(RULE, measures=(plugin,)), [make_event(user="u", v=v) for v in (2, 3)])
    assert found == {"user:u": {"own": 5}}


def test_an_event_for_which_a_measure_raises_is_skipped_and_counted_and_other_aggregations_go_on(plugin: Measure) -> None:
    code = make_code(replace(RULE, measures=(COUNT, plugin)), replace(RULE, id="b"))
    aggregator = Aggregator(code, ManualClock())
    aggregator.add([make_event(user="u", v=v) for v in (1, "x", 2)], None)
    assert [(live.errors, live.events) for live in aggregator.live] == [(1, 2), (0, 3)]
    first = next(p for p in aggregator.capture(1) if p.group.aggregation.startswith("a@"))
    assert figures(code, [first]) == {"user:u": {"n": 2, "own": 3}}


def test_a_custom_measure_skips_an_event_without_its_field(plugin: Measure) -> None:
    code = make_code(replace(RULE, measures=(plugin,)))
    aggregator = Aggregator(code, ManualClock())
    aggregator.add([make_event(user="u"), make_event(user="u", v=None), make_event(user="u", v=4)], None)
    assert aggregator.live[0].errors == 0
    assert figures(code, aggregator.capture(1)) == {"user:u": {"own": 4}}


@pytest.mark.parametrize("kind", ["sum", "avg", "min", "max", "first", "last", "distinct", "quantile", "top"])
def test_numbers_at_the_edge_of_floats_do_no_harm(kind: str) -> None:
    rule = replace(RULE, measures=(COUNT, Measure("m", kind, path("v"), q=0.5, n=2)))
    odd = [1e308, 1e308, -1e308, 10**400, float("inf"), float("nan"), 0.5]
    assert counted(rule, [make_event(i, user="u", v=v) for i, v in enumerate(odd)])["user:u"]["n"] == len(odd)


def test_integers_are_summed_exactly_however_large() -> None:
    rule = replace(RULE, measures=(Measure("s", "sum", path("v")),))
    assert counted(rule, [make_event(user="u", v=v) for v in (2**63, 2**63, 1)]) == {"user:u": {"s": 2**64 + 1}}


def test_floats_are_summed_with_what_rounding_lost() -> None:
    rule = replace(RULE, measures=(Measure("s", "sum", path("v")),))
    assert counted(rule, [make_event(user="u", v=v) for v in (1e16, 1.0, -1e16)]) == {"user:u": {"s": 1.0}}


def test_the_state_has_another_name_when_its_meaning_changes_and_only_then() -> None:
    def name(rule: Aggregation, **conditions: Condition) -> str:
        return make_code(rule, conditions=dict(conditions)).plans[0].state_id

    correct, wrong = Leaf(path("ok"), "eq", value=True), Leaf(path("ok"), "eq", value=False)
    used = replace(RULE, when=Use("c"))
    assert name(RULE).startswith("a@")
    assert name(replace(RULE, description="new", max_keys=5, retain_ms=1)) == name(RULE)
    assert name(replace(RULE, size_ms=2 * HOUR, every_ms=2 * HOUR)) != name(RULE)
    assert name(replace(RULE, blocked="include")) != name(RULE)
    assert name(replace(RULE, when=correct)) != name(replace(RULE, when=wrong))
    assert name(replace(RULE, when=Leaf(path("v"), "eq", 1))) != name(replace(RULE, when=correct))
    assert name(used, c=correct) != name(used, c=wrong)


def test_no_text_of_a_rule_is_run_as_code() -> None:
    hostile = "'); raise SystemExit #"
    rule = replace(
        RULE, id=hostile, key=((hostile, Path(hostile, (hostile,))),), measures=(Measure(hostile, "sum", path(hostile)),)
    )
    assert counted(rule, [make_event(0, **{hostile: 3})]) == {f"{hostile}:3": {hostile: 3}}
