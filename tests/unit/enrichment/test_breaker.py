"""The circuit breaker on a clock of the test's own."""

import pytest

from engine.enrichment.breaker import CircuitBreaker
from engine.rules.model import Breaker
from engine.testing import ManualClock

RULE = Breaker(failures=3, failure_rate=0.5, window_ms=10_000, min_calls=10, open_for_ms=1_000, max_open_for_ms=3_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker(RULE, clock)


def call(breaker: CircuitBreaker, *, well: bool) -> None:
    admitted = breaker.admit()
    assert admitted is not None
    breaker.ended(admitted, well=well)


def open_it(breaker: CircuitBreaker) -> None:
    for _ in range(RULE.failures):
        call(breaker, well=False)


def test_it_opens_after_so_many_failures_in_a_row(breaker: CircuitBreaker) -> None:
    for well in (False, False, True, False, False):
        call(breaker, well=well)
    assert (breaker.state, breaker.refuses) == ("closed", False)
    call(breaker, well=False)

    assert (breaker.state, breaker.refuses, breaker.admit()) == ("open", True, None)


def test_it_opens_when_the_share_of_failures_is_reached_and_not_before_there_were_enough_calls(breaker: CircuitBreaker) -> None:
    for well in (True, False, True, False, True, False, True, False, True):
        call(breaker, well=well)
    assert breaker.state == "closed"
    call(breaker, well=False)

    assert breaker.state == "open"


def test_calls_that_left_the_window_do_not_count(breaker: CircuitBreaker, clock: ManualClock) -> None:
    for well in (True, False, True, False, True, False, True, False, True):
        call(breaker, well=well)
    clock.advance(RULE.window_ms)
    call(breaker, well=False)

    assert breaker.state == "closed"


def test_half_open_lets_one_call_through_at_a_time(breaker: CircuitBreaker, clock: ManualClock) -> None:
    open_it(breaker)
    clock.advance(RULE.open_for_ms - 1)
    assert breaker.admit() is None
    clock.advance(1)

    assert breaker.state == "half_open"
    assert not breaker.refuses
    assert breaker.admit() is not None
    assert (breaker.refuses, breaker.admit()) == (True, None)


def test_a_probe_that_succeeds_closes_it_with_a_clean_slate(breaker: CircuitBreaker, clock: ManualClock) -> None:
    open_it(breaker)
    clock.advance(RULE.open_for_ms)
    call(breaker, well=True)
    assert breaker.state == "closed"
    for _ in range(RULE.failures - 1):
        call(breaker, well=False)

    assert breaker.state == "closed"


def test_each_probe_that_fails_doubles_the_rest_up_to_its_bound(breaker: CircuitBreaker, clock: ManualClock) -> None:
    open_it(breaker)
    for rest_ms in (1_000, 2_000, 3_000, 3_000):
        clock.advance(rest_ms - 1)
        assert breaker.state == "open"
        clock.advance(1)
        assert breaker.state == "half_open"
        call(breaker, well=False)


def test_after_it_has_closed_the_first_rest_is_short_again(breaker: CircuitBreaker, clock: ManualClock) -> None:
    open_it(breaker)
    clock.advance(1_000)
    call(breaker, well=False)
    clock.advance(2_000)
    call(breaker, well=True)
    open_it(breaker)
    clock.advance(1_000)

    assert breaker.state == "half_open"


def test_what_comes_back_from_before_it_opened_changes_nothing(breaker: CircuitBreaker, clock: ManualClock) -> None:
    late, later = breaker.admit(), breaker.admit()
    assert late is not None
    assert later is not None
    open_it(breaker)
    breaker.ended(late, well=True)
    assert breaker.state == "open"
    clock.advance(RULE.open_for_ms)
    breaker.ended(later, well=False)

    assert breaker.state == "half_open"
