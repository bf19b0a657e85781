"""What the users of the demo do: an endless stream of plausible events, with everything that goes wrong in real ones.

In: a seed and a starting time. Out: events as a client would send them, in the order it would. Rule of the file: a pure
generator, without a clock or a wire; the same arguments give the same events. Who sends them decides how fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final, cast
from uuid import UUID

from engine.demo.world import World, make_world, success_chance
from engine.event import JsonObject

_MEAN_GAP_MS: Final = 40
_MEMORY: Final = 200
_STEADY_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
_BOTS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "python-requests/2.32.3",
    "lms-healthbot/1.0",
    "curl/8.5.0",
)

# Out of a hundred thousand events; what is left over is attempts and sessions as they should be.
_DUPLICATE: Final = 2_000
_MALFORMED: Final = 300
_BOT: Final = 3_000
_PLACEMENT: Final = 1_500
_QUICK: Final = 0.03
_OUT_OF_ORDER: Final = 0.01


@dataclass(slots=True)
class _Sitting:
    """A session that is going on: how many answers are left, and what came of those given."""

    user_id: str
    session_id: str
    started_ms: int
    left: int
    user_agent: str
    flawless: bool
    scores: list[float] = field(default_factory=list)


def events(seed: int, start_ms: int, world: World | None = None) -> Iterator[JsonObject]:
    """Endless traffic of the world's users, by default of the one that the sample data describes.

    Event time starts at `start_ms`, in milliseconds since 1970, and goes on by 40 ms an event on average; one in a
    hundred lies a few seconds back. About 2 % are sent again unchanged within the next 200, 3 % come from bots, 3 % of
    the answers take less than a second, and 0.3 % break their schema. The dicts belong to the caller.
    """
    return _Traffic(Random(seed), start_ms, world or make_world()).run()


class _Traffic:
    """Who sits where, and what has been sent lately."""

    def __init__(self, random: Random, start_ms: int, world: World) -> None:
        self._random = random
        self._now_ms = start_ms
        self._world = world
        self._users = list(world.users)
        self._items = list(world.items)
        self._sittings: list[_Sitting] = []
        self._sent: list[JsonObject] = []

    def run(self) -> Iterator[JsonObject]:
        while True:
            self._now_ms += self._random.randrange(2 * _MEAN_GAP_MS)
            lot = self._random.randrange(100_000)
            if lot < _DUPLICATE and self._sent:
                yield dict(self._random.choice(self._sent))
                continue
            event = self._event(lot - _DUPLICATE)
            self._sent = [*self._sent[1 - _MEMORY :], event]
            yield dict(event)

    def _event(self, lot: int) -> JsonObject:
        if 0 <= lot < _MALFORMED:
            return self._broken(self._placement())
        if _MALFORMED <= lot < _MALFORMED + _BOT:
            return {**self._placement(), "user_agent": self._random.choice(_BOTS)}
        if _MALFORMED + _BOT <= lot < _MALFORMED + _BOT + _PLACEMENT:
            return self._placement()
        return self._answer()

    def _answer(self) -> JsonObject:
        """The next answer of some sitting, or its end; people sit down as others get up."""
        if len(self._sittings) < len(self._users) // 8:
            self._sittings.append(self._sit_down())
        sitting = self._random.choice(self._sittings)
        if sitting.left:
            sitting.left -= 1
            return self._attempt(sitting)
        self._sittings.remove(sitting)
        return self._session(sitting)

    def _sit_down(self) -> _Sitting:
        random = self._random
        return _Sitting(
            user_id=random.choice(self._users),
            session_id=f"sess_{random.getrandbits(64):016x}",
            started_ms=self._now_ms,
            left=random.randrange(3, 25),
            user_agent=random.choice(_STEADY_AGENTS),
            flawless=random.random() < 0.05,
        )

    def _attempt(self, sitting: _Sitting) -> JsonObject:
        random = self._random
        item_id = random.choice(self._items)
        item = self._world.items[item_id]
        level = cast("float", cast("JsonObject", self._world.users[sitting.user_id]["performance"])["level"])
        is_correct = sitting.flawless or random.random() < success_chance(level, cast("float", item["difficulty"]))
        score = 1.0 if is_correct else round(random.random() * 0.6, 2)
        sitting.scores.append(score)
        return {
            **self._head("attempt", sitting.user_id, sitting.user_agent),
            "client_attempt_id": self._uuid(),
            "item_id": item_id,
            "session_id": sitting.session_id,
            "response_time_ms": self._response_time_ms(cast("int", item["average_response_time_ms"])),
            "is_correct": is_correct,
            "score": score,
        }

    def _response_time_ms(self, average_ms: int) -> int:
        if self._random.random() < _QUICK:
            return self._random.randrange(80, 1_000)
        return max(1_000, min(240_000, int(average_ms * self._random.lognormvariate(-0.1, 0.5))))

    def _session(self, sitting: _Sitting) -> JsonObject:
        return {
            **self._head("session", sitting.user_id, sitting.user_agent),
            "session_id": sitting.session_id,
            "items_attempted": len(sitting.scores),
            "duration_ms": self._now_ms - sitting.started_ms,
            "score": round(sum(sitting.scores) / len(sitting.scores), 3),
        }

    def _placement(self) -> JsonObject:
        user_id = self._random.choice(self._users)
        head = self._head("placement", user_id, self._random.choice(_STEADY_AGENTS))
        return {**head, "placement_id": self._uuid(), "score": round(self._random.random(), 2)}

    def _broken(self, event: JsonObject) -> JsonObject:
        """An event that its schema refuses: something missing, of the wrong type, or out of bounds."""
        fault = self._random.randrange(4)
        if fault == 0:
            return {name: value for name, value in event.items() if name != "user_id"}
        if fault == 1:
            return {**event, "score": "high"}
        if fault == 2:
            return {**event, "timestamp": "yesterday"}
        return {**event, "event_type": "placment"}

    def _head(self, event_type: str, user_id: str, user_agent: str) -> JsonObject:
        user = self._world.users[user_id]
        late_ms = self._random.randrange(1, 5_000) if self._random.random() < _OUT_OF_ORDER else 0
        return {
            "event_type": event_type,
            "event_id": self._uuid(),
            "user_id": user_id,
            "timestamp": _rfc3339(self._now_ms - late_ms),
            "user_agent": user_agent,
            "jurisdiction": user["jurisdiction"],
            "context": {"device": user["device"], "app_version": f"4.{self._random.randrange(12)}.0"},
        }

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def _rfc3339(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03d}Z"
