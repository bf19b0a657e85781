"""The events that all engines get: made up, and the same for the same number.

In: a directory and how many lines. Out: `events.ndjson`, `users.json` and `items.json` there. Rule of the file: one seed; event time rises with the line but for
one event in a hundred, two in a hundred lines come twice, one in a thousand is no JSON.
"""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

_USERS: Final = [f"user_{number:05}" for number in range(20_000)]
_ITEMS: Final = [f"item_{number:04}" for number in range(5_000)]
_JURISDICTIONS: Final = [f"{country}-{number:02}" for country in ("US", "DE", "IN") for number in range(10)]
_BEGIN: Final = datetime(2026, 3, 2, 9, 17, tzinfo=UTC)
_SPAN_MS: Final = 7_200_000
_PEOPLE: Final = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 Chrome/{version}.0" for system in ("X11", "iPad") for version in range(100, 125)
]
_BOTS: Final = ["Googlebot/2.1", "SomeCrawler/1.4", "edu-SPIDER/0.9", "Python-Requests/2.31", "curl/8.4.0"]


def make(directory: Path, number: int) -> None:
    """Write the three files."""
    chance = random.Random(42)
    directory.mkdir(parents=True, exist_ok=True)
    users = {name: _user(chance) for name in _USERS}
    items = {name: _item(chance) for name in _ITEMS}
    (directory / "users.json").write_text(json.dumps(users), encoding="utf-8")
    (directory / "items.json").write_text(json.dumps(items), encoding="utf-8")
    weights = [list(accumulate(1 / (place + 1) ** 0.9 for place in range(len(names)))) for names in (_USERS, _ITEMS)]
    again: list[str] = []
    with (directory / "events.ndjson").open("w", encoding="utf-8") as out:
        for place in range(number):
            if again and chance.random() < 0.02:
                out.write(again.pop(chance.randrange(len(again))))
                continue
            line = json.dumps(_event(chance, place * _SPAN_MS // number, *weights)) + "\n"
            if chance.random() < 0.001:
                out.write("!!" + line)
                continue
            out.write(line)
            again.append(line)
            del again[:-500]


def _user(chance: random.Random) -> dict[str, Any]:
    return {
        "user_type": "premium" if chance.random() < 0.2 else "free",
        "country": chance.choice(("US", "DE", "IN", "KE")),
        "study_streak": chance.randrange(120),
        "total_sessions": 0 if chance.random() < 0.05 else chance.randrange(1, 400),
        "timezone": chance.choice(("UTC", "Europe/Berlin", "Asia/Kolkata")),
    }


def _item(chance: random.Random) -> dict[str, Any]:
    return {
        "difficulty": round(chance.uniform(-3, 3), 2),
        "topics": chance.sample(("algebra", "reading", "biology", "history"), 2),
        "avg_response_ms": chance.randrange(2_000, 40_000),
        "popularity": round(chance.random(), 3),
    }


def _event(chance: random.Random, due_ms: int, users: list[float], items: list[float]) -> dict[str, Any]:
    late_ms = chance.randrange(5_000) if chance.random() < 0.01 else 0
    at = _BEGIN + timedelta(milliseconds=max(0, due_ms - late_ms))
    kind = chance.choices(("attempt", "session", "placement"), (90, 8, 2))[0]
    event = {
        "event_type": kind,
        "event_id": _id(chance),
        "user_id": chance.choices(_USERS, cum_weights=users)[0],
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "user_agent": chance.choice(_BOTS if chance.random() < 0.06 else _PEOPLE),
        "jurisdiction": chance.choice(_JURISDICTIONS),
        "context": {"device": chance.choice(("tablet", "laptop", "phone")), "app_version": f"4.{chance.randrange(12)}.1"},
        "score": 1.0 if chance.random() < 0.3 else round(chance.random(), 2),
    }
    if kind == "attempt":
        time_ms = chance.choices((500, 15_000, 100_000), (5, 85, 10))[0] + chance.randrange(400)
        item = chance.choices(_ITEMS, cum_weights=items)[0]
        right = chance.random() < 0.62
        event |= {"client_attempt_id": _id(chance), "item_id": item, "response_time_ms": time_ms, "is_correct": right}
    elif kind == "session":
        event |= {
            "session_id": _id(chance),
            "items_attempted": chance.randrange(1, 41),
            "duration_ms": chance.randrange(3_600_000),
        }
    else:
        event |= {"placement_id": _id(chance)}
    return event


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
