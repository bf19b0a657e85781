"""The demo's traffic: plausible, endless, the same every time, and with everything in it that the default rules act on."""

from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path

import orjson
import pytest
from jsonschema_rs import validator_for

from engine.demo.traffic import events
from engine.demo.world import make_world
from engine.event import JsonObject

START_MS = 1_771_000_000_000
TYPES = ("attempt", "session", "placement")


@pytest.fixture(scope="module")
def sample() -> list[JsonObject]:
    return list(islice(events(7, START_MS), 20_000))


def time_ms(event: JsonObject) -> int:
    return round(datetime.fromisoformat(str(event["timestamp"])).timestamp() * 1000)


def number(event: JsonObject, member: str, missing: int) -> int:
    value = event.get(member, missing)
    assert isinstance(value, int)
    return value


def test_the_same_arguments_give_the_same_events(sample: list[JsonObject]) -> None:
    assert list(islice(events(7, START_MS), 500)) == sample[:500]
    assert list(islice(events(8, START_MS), 500)) != sample[:500]


def test_few_events_break_their_schema(sample: list[JsonObject], checkout: Path) -> None:
    checks = {name: validator_for(orjson.loads((checkout / f"schemas/events/{name}.schema.json").read_bytes())) for name in TYPES}
    good = [event for event in sample if event["event_type"] in checks and checks[str(event["event_type"])].is_valid(event)]

    assert 0.993 * len(sample) < len(good) < len(sample)


def test_every_default_filter_has_something_to_act_on(sample: list[JsonObject]) -> None:
    users = make_world().users
    seen = [(event, users.get(str(event.get("user_id")), {})) for event in sample]

    assert sum(number(event, "response_time_ms", 1_000) < 1_000 for event, _ in seen) > 100
    assert sum("Googlebot" in str(event["user_agent"]) for event, _ in seen) > 50
    assert sum(user.get("user_type") == "premium" for _, user in seen) > 1_000
    assert sum(user.get("total_sessions") == 0 for _, user in seen) > 100
    assert any(event.get("score") == 1.0 and number(event, "items_attempted", 0) >= 10 for event, _ in seen)


def test_some_events_come_twice_and_unchanged(sample: list[JsonObject]) -> None:
    copies = Counter(orjson.dumps(event) for event in sample)

    assert 0.01 * len(sample) < sum(times - 1 for times in copies.values()) < 0.03 * len(sample)


def test_a_session_says_what_its_attempts_were(sample: list[JsonObject]) -> None:
    attempts: dict[object, dict[object, JsonObject]] = {}
    sessions: dict[object, JsonObject] = {}
    for event in sample:
        if event["event_type"] == "attempt":
            attempts.setdefault(event["session_id"], {})[event["client_attempt_id"]] = event
        elif event["event_type"] == "session":
            sessions[event["session_id"]] = event

    assert len(sessions) > 500
    for session_id, session in sessions.items():
        answered = attempts[session_id].values()
        worked_ms = sum(number(attempt, "response_time_ms", 0) for attempt in answered)
        assert session["items_attempted"] == len(answered)
        assert number(session, "duration_ms", 0) >= worked_ms


def test_event_time_starts_where_it_is_told_and_goes_on(sample: list[JsonObject]) -> None:
    times = [time_ms(event) for event in sample if event["timestamp"] != "yesterday"]

    assert START_MS - 5_000 <= min(times) <= START_MS + 1_000
    assert max(times) - START_MS > 600_000


def test_the_caller_may_change_what_it_gets() -> None:
    changed, kept = events(7, START_MS), events(7, START_MS)
    for event, expected in zip(islice(changed, 2_000), islice(kept, 2_000), strict=True):
        assert event == expected
        event.clear()


@pytest.mark.parametrize("name", ["users", "items"])
def test_the_sample_data_describes_this_world(checkout: Path, name: str) -> None:
    stored = orjson.loads((checkout / f"rules/data/{name}.json").read_bytes())

    assert stored == getattr(make_world(), name)
