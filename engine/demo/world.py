"""Users and items that do not exist: the sample data of the default rules, and who acts in the demo's traffic.

In: a seed. Out: context by id, as an enrichment source holds it. Rule of the file: the same seed gives the same world,
on every machine and Python.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from engine.event import JsonObject

SEED: Final = 2026

_USERS: Final = 300
_ITEMS: Final = 120
_NEW_USERS: Final = 0.06
_PREMIUM_USERS: Final = 0.2

_PLACES: Final = (
    ("US", "US-CA", "America/Los_Angeles"),
    ("US", "US-NY", "America/New_York"),
    ("US", "US-TX", "America/Chicago"),
    ("GB", "GB-ENG", "Europe/London"),
    ("DE", "DE-BY", "Europe/Berlin"),
    ("FR", "FR-IDF", "Europe/Paris"),
    ("PL", "PL-MZ", "Europe/Warsaw"),
    ("BR", "BR-SP", "America/Sao_Paulo"),
    ("KE", "KE-30", "Africa/Nairobi"),
    ("IN", "IN-KA", "Asia/Kolkata"),
    ("JP", "JP-13", "Asia/Tokyo"),
    ("AU", "AU-NSW", "Australia/Sydney"),
)
_DEVICES: Final = ("phone", "tablet", "laptop", "desktop")
_TOPICS: Final = ("algebra", "geometry", "fractions", "statistics", "reading", "grammar", "biology", "physics", "history")
_COGNITIVE_LEVELS: Final = ("remember", "understand", "apply", "analyze", "evaluate", "create")


@dataclass(frozen=True, slots=True)
class World:
    """Context by id. Levels and difficulties share one scale, about -3 to 3: zero is the middle of the curriculum."""

    users: dict[str, JsonObject]
    items: dict[str, JsonObject]


def make_world(seed: int = SEED) -> World:
    """Make up a world: `user_001` to `user_300`, `item_001` to `item_120`."""
    random = Random(seed)
    users = {f"user_{number:03d}": _user(random) for number in range(1, _USERS + 1)}
    items = {f"item_{number:03d}": _item(random) for number in range(1, _ITEMS + 1)}
    return World(users, items)


def success_chance(level: float, difficulty: float) -> float:
    """How likely a user of this level is to solve an item: one half where both are equal, never certain."""
    return round(min(0.97, max(0.03, 0.5 + 0.18 * (level - difficulty))), 4)


def _user(random: Random) -> JsonObject:
    country, jurisdiction, timezone = random.choice(_PLACES)
    level = round(random.uniform(-2.5, 2.5), 2)
    is_new = random.random() < _NEW_USERS
    sessions = 0 if is_new else random.randrange(1, 400)
    return {
        "user_type": "premium" if random.random() < _PREMIUM_USERS else "free",
        "country": country,
        "jurisdiction": jurisdiction,
        "timezone": timezone,
        "device": random.choice(_DEVICES),
        "study_streak": 0 if is_new else random.randrange(60),
        "total_sessions": sessions,
        "total_attempts": sessions * random.randrange(8, 25),
        "performance": {
            "level": level,
            "accuracy": None if is_new else success_chance(level, 0.0),
            "average_response_time_ms": None if is_new else random.randrange(4_000, 20_000),
            "trend": "new" if is_new else random.choice(("rising", "steady", "falling")),
        },
    }


def _item(random: Random) -> JsonObject:
    difficulty = round(random.uniform(-2.5, 2.5), 2)
    return {
        "difficulty": difficulty,
        "topics": random.sample(_TOPICS, random.randrange(1, 4)),
        "average_response_time_ms": 6_000 + round(2_500 * (difficulty + 2.5)) + random.randrange(2_000),
        "average_score": success_chance(0.0, difficulty),
        "popularity": round(random.random(), 3),
        "cognitive_level": random.choice(_COGNITIVE_LEVELS),
    }
