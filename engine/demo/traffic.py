"""What the users of the demo do: an endless stream of plausible events, with everything that goes wrong in real ones.

In: a seed and a starting time. Out: events as a client would send them, in the order it would. Rule of the file: a pure
generator, without a clock or a wire; the same arguments give the same events. Who sends them decides how fast.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heapify, heapreplace
from random import Random
from typing import Final, cast
from uuid import UUID

from engine.demo.world import World, make_world, success_chance
from engine.event import JsonObject

_KINDS: Final = ("answer", "bot", "duplicate", "placement", "malformed")
_WEIGHTS: Final = (93.2, 3.0, 2.0, 1.5, 0.3)
_QUICK: Final = 0.03
_OUT_OF_ORDER: Final = 0.01
_FLAWLESS: Final = 0.05
_AT_WORK: Final = 0.8
_MEMORY: Final = 200

_PEOPLE: Final = (
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


@dataclass(slots=True)
class _Sitting:
    """A session that is going on: how many answers are left, how long the next one takes, and what came of the others."""

    user_id: str
    session_id: str
    user_agent: str
    started_ms: int
    left: int
    flawless: bool
    item_id: str = ""
    response_time_ms: int = 0
    scores: list[float] = field(default_factory=list)


def events(seed: int, start_ms: int, world: World | None = None) -> Iterator[JsonObject]:
    """Endless traffic of the world's users, by default of the one that the sample data describes.

    Event time starts at `start_ms`, in milliseconds since 1970, and goes on as fast as these people work: about 17
    events a second. One in a hundred lies a few seconds back. About 2 % are sent again unchanged, 3 % come from bots,
    3 % of the answers take less than a second, and 0.3 % break their schema. The dicts belong to the caller.
    """
    return (event for _, event in timed_events(seed, start_ms, world))


def timed_events(seed: int, start_ms: int, world: World | None = None) -> Iterator[tuple[int, JsonObject]]:
    """As `events`, each with the time at which its client sends it, in milliseconds since 1970; times do not fall."""
    return _Traffic(Random(seed), start_ms, world or make_world()).run()


class _Traffic:
    """Who sits where until when, and what has been sent lately."""

    def __init__(self, random: Random, start_ms: int, world: World) -> None:
        self._random = random
        self._now_ms = start_ms
        self._world = world
        self._items = list(world.items)
        self._everybody = list(world.users)
        self._idle = list(world.users)
        self._sent: deque[JsonObject] = deque(maxlen=_MEMORY)
        self._due = [self._begun(number) for number in range(int(len(self._idle) * _AT_WORK))]
        heapify(self._due)

    def run(self) -> Iterator[tuple[int, JsonObject]]:
        while True:
            kind = self._random.choices(_KINDS, _WEIGHTS)[0]
            if kind == "duplicate" and self._sent:
                yield self._now_ms, dict(self._random.choice(self._sent))
                continue
            event = self._event(kind)
            self._sent.append(event)
            yield self._now_ms, dict(event)

    def _event(self, kind: str) -> JsonObject:
        if kind == "placement":
            return self._placement()
        if kind == "bot":
            return {**self._placement(), "user_agent": self._random.choice(_BOTS)}
        if kind == "malformed":
            return self._broken(self._placement())
        return self._next_answer()

    def _next_answer(self) -> JsonObject:
        """The next answer that falls due, or the end of its sitting: then somebody else sits down."""
        self._now_ms, number, sitting = self._due[0]
        if sitting.left:
            event = self._attempt(sitting)
            self._take_item(sitting)
        else:
            event = self._session(sitting)
            self._idle.append(sitting.user_id)
            sitting = self._sit_down()
        heapreplace(self._due, (self._now_ms + sitting.response_time_ms + self._random.randrange(500, 3_000), number, sitting))
        return event

    def _begun(self, number: int) -> tuple[int, int, _Sitting]:
        """A sitting that is in the middle of its first answer as the traffic starts, so that events come at once."""
        sitting = self._sit_down()
        sitting.started_ms -= self._random.randrange(sitting.response_time_ms)
        return sitting.started_ms + sitting.response_time_ms, number, sitting

    def _sit_down(self) -> _Sitting:
        random = self._random
        sitting = _Sitting(
            user_id=self._idle.pop(random.randrange(len(self._idle))),
            session_id=f"sess_{random.getrandbits(64):016x}",
            user_agent=random.choice(_PEOPLE),
            started_ms=self._now_ms,
            left=random.randrange(3, 25),
            flawless=random.random() < _FLAWLESS,
        )
        self._take_item(sitting)
        return sitting

    def _take_item(self, sitting: _Sitting) -> None:
        sitting.item_id = self._random.choice(self._items)
        average_ms = cast("int", self._world.items[sitting.item_id]["average_response_time_ms"])
        quick = self._random.random() < _QUICK
        slow_ms = max(1_000, min(240_000, int(average_ms * self._random.lognormvariate(-0.1, 0.5))))
        sitting.response_time_ms = self._random.randrange(80, 1_000) if quick else slow_ms

    def _attempt(self, sitting: _Sitting) -> JsonObject:
        random = self._random
        sitting.left -= 1
        item = self._world.items[sitting.item_id]
        level = cast("float", cast("JsonObject", self._world.users[sitting.user_id]["performance"])["level"])
        is_correct = sitting.flawless or random.random() < success_chance(level, cast("float", item["difficulty"]))
        score = 1.0 if is_correct else round(random.random() * 0.6, 2)
        sitting.scores.append(score)
        return {
            **self._head("attempt", sitting.user_id, sitting.user_agent),
            "client_attempt_id": self._uuid(),
            "item_id": sitting.item_id,
            "session_id": sitting.session_id,
            "response_time_ms": sitting.response_time_ms,
            "is_correct": is_correct,
            "score": score,
        }

    def _session(self, sitting: _Sitting) -> JsonObject:
        return {
            **self._head("session", sitting.user_id, sitting.user_agent),
            "session_id": sitting.session_id,
            "items_attempted": len(sitting.scores),
            "duration_ms": self._now_ms - sitting.started_ms,
            "score": round(sum(sitting.scores) / len(sitting.scores), 3),
        }

    def _placement(self) -> JsonObject:
        user_id = self._random.choice(self._everybody)
        head = self._head("placement", user_id, self._random.choice(_PEOPLE))
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
