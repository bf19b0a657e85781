"""A rollout has the keys that it always has, more of them the larger it is, and about as many as it says."""

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.model import Path, Rollout
from engine.rules.rollout import rollout_holds

BY = Path("user", ("user",))
percents = st.floats(0, 100)
keys = st.text(max_size=30) | st.integers() | st.floats(allow_nan=False) | st.booleans()


def holds(percent: float, key: object, filter_id: str = "f") -> bool:
    return rollout_holds(Rollout(percent, BY), filter_id)(key)


@given(percents, percents, keys, st.text(max_size=100))
def test_a_larger_share_has_every_key_of_a_smaller_one(one: float, other: float, key: object, filter_id: str) -> None:
    smaller, larger = sorted((one, other))

    assert holds(larger, key, filter_id) or not holds(smaller, key, filter_id)


@given(keys | st.none() | st.lists(st.integers()))
def test_nobody_is_in_at_0_and_everybody_at_100(key: object) -> None:
    assert not holds(0, key)
    assert holds(100, key)


@given(st.floats(0, 99.99))
def test_an_event_without_a_key_is_in_when_all_are(percent: float) -> None:
    assert not any(holds(percent, key) for key in (None, [], {}, object()))


def test_the_share_is_about_what_it_says_and_filters_differ_in_whom_they_take_first() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    first, second = ({user for user in users if holds(10, user, name)} for name in ("first", "second"))

    assert 0.09 < len(first) / len(users) < 0.11
    assert 0.09 < len(second) / len(users) < 0.11
    assert len(first & second) < 0.02 * len(users)


def test_the_keys_are_the_same_in_every_process_and_version() -> None:
    assert [user for user in range(40) if holds(20, f"u{user}")] == GOLDEN
    assert holds(20, 7) == holds(20, "7"), "a number and its text are one key"


GOLDEN: list[int] = [2, 4, 9, 10, 24, 26, 35, 36]
