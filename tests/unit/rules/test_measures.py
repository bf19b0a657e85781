"""Each measure by itself: what it takes, what it keeps, and what bytes cannot change."""

import json
from typing import TypeVar

import orjson
import pytest

from engine.rules.measures import Kept, combine, measure_kind, merged
from engine.rules.model import Measure
from engine.rules.sketches import EXACT_DISTINCT, EXACT_QUANTILE, EXACT_TOP, MAX_TAIL, Accumulator, Distinct, Quantile, Top
from engine.rules.values import json_bytes

State = TypeVar("State", bound=Accumulator)


def kept(state: State, values: object) -> State:
    for value in values:  # type: ignore[attr-defined]  # any iterable
        state.add(value)
    return state


def quantile(q: float, values: object) -> float | None:
    return kept(Quantile(), values).result(q)


def test_one_as_number_text_and_truth_are_three_distinct_values_and_one_point_zero_is_one() -> None:
    assert kept(Distinct(), [1, "1", True, 1.0, 1]).result() == 3


@pytest.mark.parametrize("value", [None, [], {}, float("inf"), float("nan"), object()])
def test_what_is_no_finite_scalar_is_passed_over(value: object) -> None:
    assert kept(Distinct(), [value]).result() == 0
    assert quantile(0.5, [value, True, "7"]) is None
    assert kept(Top(3), [value]).result() == []


def test_distinct_is_exact_while_small_and_within_three_percent_of_fifty_thousand() -> None:
    assert kept(Distinct(), range(EXACT_DISTINCT)).result() == EXACT_DISTINCT
    assert kept(Distinct(), range(50_000)).result() == pytest.approx(50_000, rel=0.03)


def test_exact_distinct_stays_exact_after_bytes_and_merging() -> None:
    left, right = kept(Distinct(exact=True), range(4_000)), kept(Distinct(exact=True), range(2_000, 6_000))
    again = Distinct.from_json(orjson.loads(json_bytes(left.to_json())), exact=True)
    again.merge(right)
    assert again.result() == 6_000


def test_quantile_is_the_nearest_rank_while_small_and_within_two_ranks_in_a_hundred_afterwards() -> None:
    assert quantile(0.95, range(1, 101)) == 95
    assert quantile(0.07, range(1, 101)) == 7
    assert quantile(0.0, [3, 1, 2]) == 1
    assert quantile(1.0, [3, 1, 2]) == 3
    assert quantile(0.95, range(100_000)) == pytest.approx(95_000, abs=2_500)


def test_the_lowest_and_the_highest_are_quantiles_too() -> None:
    for q, expected in ((0.0, 1), (1.0, 3)):
        measure = measure_kind(Measure("m", "quantile", q=q))
        assert measure is not None
        slots = measure.initial()
        kept(slots[0], [3, 1, 2])
        assert measure.result(slots) == expected


def test_quantile_takes_integers_that_no_float_can_hold() -> None:
    assert quantile(0.5, [10**400, -(10**400)] * EXACT_QUANTILE) in (
        1.7976931348623157e308,
        -1.7976931348623157e308,
    )


def test_top_orders_by_count_then_text_and_finds_the_frequent_ones_among_many() -> None:
    assert kept(Top(2), ["b", "a", "a", "b", "c"]).result() == [{"value": "a", "count": 2}, {"value": "b", "count": 2}]
    rare = [f"r{i}" for i in range(EXACT_TOP * 4)]
    top = kept(Top(2), ["x"] * 5_000 + rare + [7] * 4_000).result()
    assert [row["value"] for row in top] == ["x", 7]


@pytest.mark.parametrize("size", [10, 3_000])
@pytest.mark.parametrize("kind", ["distinct", "quantile", "top"])
def test_merging_leaves_the_other_as_it_was_and_bytes_keep_the_meaning(kind: str, size: int) -> None:
    measure = measure_kind(Measure("m", kind, q=0.5, n=5))
    assert measure is not None
    left, right = measure.initial(), measure.initial()
    kept(left[0], range(size))
    kept(right[0], range(size, 2 * size))
    again = measure.decode(json.loads(json_bytes(measure.encode(right))))
    before = measure.result(right)
    assert measure.result(again) == before
    merged([measure], left, right)
    assert measure.result(right) == before


@pytest.mark.parametrize("size", [10, 200, 3_000])
@pytest.mark.parametrize("kind", ["distinct", "quantile", "top"])
def test_a_base_and_the_tail_since_read_as_what_was_written(kind: str, size: int) -> None:
    measure = measure_kind(Measure("m", kind, q=0.9, n=5))
    assert isinstance(measure, Kept)
    slots = measure.initial()
    kept(slots[0], range(size))
    base = json.loads(json_bytes(slots[0].to_json()))
    kept(slots[0], [True, "new", "new", 1.5, 7])

    again = measure.read(base, json.loads(json_bytes(slots[0].tail())))

    assert not slots[0].base_is_due
    assert measure.result([again]) == measure.result(slots)
    assert kept(again, ["newer"]).tail() == kept(slots[0], ["newer"]).tail()


@pytest.mark.parametrize("kind", ["distinct", "quantile", "top"])
def test_a_tail_is_bounded_and_says_when_it_is_not_all_there_is_since_the_base(kind: str) -> None:
    measure = measure_kind(Measure("m", kind, q=0.9, n=5))
    assert isinstance(measure, Kept)
    [accumulator] = measure.initial()
    kept(accumulator, range(3_000))
    accumulator.to_json()

    kept(accumulator, range(3_000, 3_000 + MAX_TAIL))
    told = accumulator.base_is_due
    kept(accumulator, [10_000])

    assert (told, accumulator.base_is_due) == (False, True)
    assert len(accumulator.tail()) <= MAX_TAIL


@pytest.mark.parametrize(
    ("kind", "left", "right", "figure"),
    [
        ("ratio", 1, 4, 0.25),
        ("ratio", 1, 0, None),
        ("ratio", None, 2, None),
        ("ratio", "a", 2, None),
        ("difference", 5, 7, -2),
        ("difference", 5, None, None),
        ("ratio", True, 2, None),
        ("ratio", 10**400, 3, None),
        ("difference", 10**400, 0.5, None),
    ],
)
def test_a_figure_computed_from_others_is_none_where_they_do_not_allow_it(
    kind: str, left: object, right: object, figure: object
) -> None:
    assert combine(kind, left, right) == figure
