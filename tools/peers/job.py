"""The job that every engine does, as plain functions, for those whose users write Python.

In: lines. Out: enriched events, groups of windows, and counts. Rule of the file: what `tools/workload/rules` says, and nothing faster or slower than somebody would
write it by hand; it is the reference as well.
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

Event = dict[str, Any]
_BOTS: Final = re.compile("bot|crawler|spider|python-requests|curl", re.IGNORECASE)
_HOUR_S: Final = 3_600
_KEYS: Final = {
    "attempt": ("client_attempt_id", 24 * _HOUR_S),
    "session": ("session_id", 12 * _HOUR_S),
    "placement": ("placement_id", 168 * _HOUR_S),
}
counts: Counter[str] = Counter()
_users: dict[str, Event] = {}
_items: dict[str, Event] = {}


def load(directory: Path) -> None:
    """Read what events are enriched with."""
    _users.update(orjson.loads((directory / "users.json").read_bytes()))
    _items.update(orjson.loads((directory / "items.json").read_bytes()))


def parse(line: bytes | str) -> Event | None:
    """The event, or None where the line is none."""
    try:
        event: Event = orjson.loads(line)
    except ValueError:
        counts["malformed"] += 1
        return None
    counts["parsed"] += 1
    return event


def claim_key(event: Event) -> str:
    """What copies of the event share."""
    return str(event[_KEYS[event["event_type"]][0]])


def claim_ttl_s(event: Event) -> int:
    """How long a copy of the event is known as one."""
    return _KEYS[event["event_type"]][1]


def is_copy(seen: dict[str, float], event: Event) -> bool:
    """Whether the event has been seen within its time to live; it has from now on."""
    name, ttl_s = _KEYS[event["event_type"]]
    now_s = time.monotonic()
    if seen.get(event[name], 0) > now_s:
        counts["duplicates"] += 1
        return True
    seen[event[name]] = now_s + ttl_s
    return False


def enrich(event: Event) -> Event:
    """Put context and derived fields on the event."""
    event["user"] = _users.get(event["user_id"])
    derived: Event = {"hour_of_day": int(event["timestamp"][11:13])}
    if event["event_type"] == "attempt":
        event["item"] = _items.get(event["item_id"])
        time_ms = event["response_time_ms"]
        derived["response_time_category"] = "fast" if time_ms < 1_000 else "normal" if time_ms < 30_000 else "slow"
        if event["item"]:
            derived["vs_expected"] = time_ms / event["item"]["avg_response_ms"]
    event["derived"] = derived
    return event


def apply_filters(event: Event) -> Event | None:
    """Tag and route the event; None where it is blocked."""
    tags, routes = [], ["enriched-events"]
    if event["event_type"] == "attempt" and event["response_time_ms"] < 1_000:
        tags.append("rapid_fire")
    if _BOTS.search(event["user_agent"]):
        counts["rapid_fire"] += len(tags)
        counts["blocked"] += 1
        return None
    if event["user"]["user_type"] == "premium":
        counts["premium"] += 1
        routes.append("premium-analytics")
    if event["event_type"] == "session" and event["score"] == 1.0 and event["items_attempted"] >= 10:
        tags.append("perfect_score")
    if event["user"]["total_sessions"] == 0:
        counts["new_user"] += 1
        routes.append("onboarding")
    counts.update(tags)
    event["tags"], event["routes"] = tags, routes
    return event


def encode(event: Event) -> bytes:
    """The event as it is written."""
    counts["written"] += 1
    return orjson.dumps(event)


def at(event: Event) -> datetime:
    """When the event happened."""
    return datetime.fromisoformat(event["timestamp"])


class Aggregation(NamedTuple):
    """Windows of `size_s` by `key`, of events of one type or all. A group is a list; `row` names what is in it."""

    size_s: int
    key: Callable[[Event], str]
    only: str | None
    new: Callable[[], list[Any]]
    fold: Callable[[list[Any], Event], list[Any]]
    row: Callable[[list[Any]], Event]


def _attempts(group: list[Any], event: Event) -> list[Any]:
    time_ms = event["response_time_ms"]
    group[0] += 1
    group[1] += event["is_correct"]
    group[2] += time_ms
    group[3] = min(group[3], time_ms)
    group[4] = max(group[4], time_ms)
    return group


def _sessions(group: list[Any], event: Event) -> list[Any]:
    group[0] += 1
    group[1] += event["items_attempted"]
    group[2] += event["duration_ms"]
    return group


def _items_of(group: list[Any], event: Event) -> list[Any]:
    group[0] += 1
    group[1] += event["is_correct"]
    group[2] += event["response_time_ms"]
    return group


def _people(group: list[Any], event: Event) -> list[Any]:
    group[0] += 1
    group[1].add(event["user_id"])
    group[2] += event.get("is_correct") is True
    return group


AGGREGATIONS: Final = {
    "user_hourly": Aggregation(
        _HOUR_S,
        lambda event: str(event["user_id"]),
        "attempt",
        lambda: [0, 0, 0, 1 << 60, 0],
        _attempts,
        lambda g: {"count": g[0], "correct": g[1], "avg": g[2] / g[0], "min": g[3], "max": g[4], "sum": g[2]},
    ),
    "user_daily": Aggregation(
        24 * _HOUR_S,
        lambda event: str(event["user_id"]),
        "session",
        lambda: [0, 0, 0],
        _sessions,
        lambda g: {"count": g[0], "items": g[1], "avg_duration": g[2] / g[0]},
    ),
    "item_hourly": Aggregation(
        _HOUR_S,
        lambda event: str(event["item_id"]),
        "attempt",
        lambda: [0, 0, 0],
        _items_of,
        lambda g: {"count": g[0], "correct": g[1], "avg": g[2] / g[0]},
    ),
    "system_5m": Aggregation(
        300, lambda _: "all", None, lambda: [0, set(), 0], _people, lambda g: {"count": g[0], "users": len(g[1])}
    ),
    "jurisdiction_daily": Aggregation(
        24 * _HOUR_S,
        lambda event: str(event["jurisdiction"]),
        None,
        lambda: [0, set(), 0],
        _people,
        lambda g: {"count": g[0], "users": len(g[1]), "correct": g[2]},
    ),
}
