"""A ruleset with three kinds of identity, an event of each, and a way to decode."""

from dataclasses import replace
from typing import Final

import orjson

from engine.event import Event, JsonObject, Outcome, Submission
from engine.ingress.decode import Decoder
from engine.rules.model import Deduplication, Events, EventType, Path, Ruleset
from engine.rules.plan_events import EventPlan, compile_events

NOW_MS: Final = 1_772_442_000_000
NOW_TEXT: Final = "2026-03-02T09:00:00.000Z"
DAY_MS: Final = 86_400_000
MAX_EVENT_BYTES: Final = 20_000

ATTEMPT_SCHEMA: Final = {
    "type": "object",
    "required": ["user_id", "score"],
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "context": {"type": "object", "properties": {"device": {"enum": ["phone", "tablet"]}}},
    },
}


def path(*steps: str | int) -> Path:
    return Path(".".join(map(str, steps)), steps)


EVENTS: Final = Events(
    type=path("event_type"),
    time=path("timestamp"),
    key=path("user_id"),
    types={
        "attempt": EventType("attempt", ATTEMPT_SCHEMA),
        "session": EventType("session"),
        "note": EventType("note"),
    },
)
RULESET: Final = Ruleset(
    digest="0123456789abcdef",
    events=EVENTS,
    deduplication={
        "attempt": Deduplication("attempt", (path("client_attempt_id"),), DAY_MS),
        "session": Deduplication("session", (path("user_id"), path("context", "sessions", 0)), 2 * DAY_MS),
    },
)
PLAN: Final = compile_events(RULESET)


def attempt(**members: object) -> JsonObject:
    """An attempt that is accepted, with other members on top; None takes one away."""
    data: JsonObject = {
        "event_type": "attempt",
        "client_attempt_id": "a1",
        "user_id": "u1",
        "timestamp": NOW_TEXT,
        "score": 0.5,
    }
    return {name: value for name, value in (data | members).items() if value is not None}


def note(**members: object) -> JsonObject:
    """An event without schema and identity."""
    return {"event_type": "note", "timestamp": NOW_MS, **members}


def plan_with(events: Events) -> EventPlan:
    """The plan with another `events` section."""
    return compile_events(replace(RULESET, events=events))


def decode(*items: bytes | JsonObject, plan: EventPlan = PLAN, max_depth: int = 64) -> tuple[list[Event], Submission]:
    """Decode items as one submission."""
    submission = Submission(items, input_name="test", received_ms=NOW_MS, size_bytes=0, done=lambda _: None)
    decoder = Decoder(plan, lambda: NOW_MS, max_event_bytes=MAX_EVENT_BYTES, max_depth=max_depth)
    return decoder.decode(submission), submission


def accepted(item: bytes | JsonObject, plan: EventPlan = PLAN) -> Event:
    """The event of an item that is one."""
    events, submission = decode(item, plan=plan)
    assert events, submission.outcomes
    return events[0]


def rejected(item: bytes | JsonObject, plan: EventPlan = PLAN) -> Outcome:
    """The outcome of an item that is no event, with events on both sides of it that are none the worse."""
    good = orjson.dumps(attempt())
    events, submission = decode(good, item, good, plan=plan)
    assert [event.index for event in events] == [0, 2]
    outcome = submission.outcomes[1]
    assert submission.outcomes == [None, outcome, None]
    assert outcome is not None
    return outcome
