"""What is at hand and for how long, and what goes when there is no room."""

import pytest

from engine.enrichment.cache import LocalCache
from engine.ports import Context
from engine.rules.model import Cache

A, B, C, NOTHING = Context({"n": 1}, "fresh"), Context({"n": 2}, "fresh"), Context({"n": 3}, "fresh"), Context(None, "negative")


def test_an_answer_is_at_hand_until_its_time_is_over() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100))
    cache.keep("a", A, 0)
    cache.sweep(99)
    assert cache.at_hand == {"a": A}
    cache.sweep(100)

    assert (dict(cache.at_hand), cache.find("a", 100), len(cache)) == ({}, None, 0)


def test_without_a_ttl_nothing_is_kept() -> None:
    cache = LocalCache(Cache())
    cache.keep("a", A, 0)

    assert (dict(cache.at_hand), cache.find("a", 0)) == ({}, None)


def test_that_there_is_nothing_has_a_time_of_its_own() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, negative_ttl_ms=10, stale_if_error_ms=1_000))
    cache.keep_nothing("a", NOTHING, 0)
    cache.sweep(9)
    assert cache.at_hand == {"a": NOTHING}
    cache.sweep(10)

    assert (dict(cache.at_hand), cache.find("a", 10)) == ({}, None)


@pytest.mark.parametrize("negative_ttl_ms", [None, 10])
def test_what_is_known_to_be_gone_does_not_stand_in_later(negative_ttl_ms: int | None) -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, negative_ttl_ms=negative_ttl_ms, stale_if_error_ms=1_000))
    cache.keep("a", A, 0)
    cache.keep_nothing("a", NOTHING, 5)
    cache.sweep(50)

    assert cache.find("a", 50) is None


def test_an_answer_that_is_over_can_be_found_as_long_as_it_may_stand_in() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, stale_if_error_ms=50))
    cache.keep("a", A, 0)
    cache.sweep(100)
    found = cache.find("a", 149)
    assert dict(cache.at_hand) == {}
    assert found is not None
    assert (found.context, found.fresh_until_ms) == (A, 100)
    cache.sweep(150)

    assert len(cache) == 0


def test_what_is_due_for_a_refresh_is_set_aside_and_comes_back_when_it_was_seen_to() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, refresh_ahead=0.8))
    cache.keep("a", A, 0)
    cache.sweep(79)
    assert cache.at_hand == {"a": A}
    cache.sweep(80)
    assert dict(cache.at_hand) == {}
    cache.postpone("a", 80)
    assert cache.at_hand == {"a": A}
    cache.sweep(90)
    assert dict(cache.at_hand) == {}

    assert cache.find("a", 99) is not None
    assert cache.find("a", 100) is None


def test_a_new_answer_begins_a_new_time() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100))
    cache.keep("a", A, 0)
    cache.keep("a", B, 60)
    cache.sweep(100)
    assert cache.at_hand == {"a": B}
    cache.sweep(160)

    assert len(cache) == 0


def test_there_are_never_more_answers_than_allowed_and_the_newest_are_among_them() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, local_max_entries=50))
    for number in range(1_000):
        cache.keep(f"k{number}", A, 0)
        assert len(cache) <= 50

    assert [cache.find(f"k{number}", 0) for number in range(995, 1_000)].count(None) == 0


def test_one_entry_is_room_enough_for_the_newest() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, local_max_entries=1))
    cache.keep("a", A, 0)
    cache.keep("b", B, 0)

    assert cache.at_hand == {"b": B}


def test_what_is_asked_for_again_and_again_outlives_what_is_not() -> None:
    cache = LocalCache(Cache(local_ttl_ms=100, local_max_entries=64))
    cache.keep("hot", A, 0)
    for number in range(1_000):
        cache.keep(f"cold{number}", B, 0)
        if "hot" not in cache.at_hand:
            assert cache.find("hot", 0) is not None

    assert cache.find("hot", 0) is not None
    assert cache.find("cold0", 0) is None


def test_answers_that_are_replaced_often_leave_nothing_behind() -> None:
    cache = LocalCache(Cache(local_ttl_ms=1_000_000, stale_if_error_ms=1_000_000, local_max_entries=10))
    for number in range(20_000):
        cache.keep(f"k{number % 20}", C, number)

    assert len(cache._moments) < 2_000
