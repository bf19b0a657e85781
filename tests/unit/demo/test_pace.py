"""The pace of the demo's traffic: that of the clock, however long it runs."""

from datetime import datetime

from engine.demo.pace import PacedTraffic
from engine.event import JsonObject

START_MS = 1_771_000_000_000
STEP_MS = 250


def times_ms(events: list[JsonObject]) -> list[int]:
    """The times that can be read."""
    texts = [str(event["timestamp"]) for event in events if event["timestamp"] != "yesterday"]
    return [round(datetime.fromisoformat(text).timestamp() * 1000) for text in texts]


def test_event_time_keeps_up_with_the_clock_and_never_runs_ahead_of_it() -> None:
    traffic, sent = PacedTraffic(2, START_MS), 0
    for now_ms in range(START_MS + STEP_MS, START_MS + 1_200_000, STEP_MS):
        events = traffic.due(now_ms)
        sent += len(events)
        times = times_ms(events)
        assert all(time <= now_ms for time in times)
        assert max(times, default=now_ms) > now_ms - 10_000

    assert 25 < sent / 1_200 < 45


def test_after_a_gap_nothing_is_made_up_for() -> None:
    traffic = PacedTraffic(2, START_MS)
    later_ms = START_MS + 86_400_000

    first = traffic.due(later_ms)
    second = traffic.due(later_ms + STEP_MS)

    assert len(first) + len(second) < 50
    assert min(times_ms(second), default=later_ms) > later_ms - 10_000


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    traffic = PacedTraffic(2, START_MS)
    traffic.due(START_MS + 5_000)

    traffic.due(START_MS - 3_600_000)

    assert traffic.due(START_MS - 3_600_000 + 5_000)
