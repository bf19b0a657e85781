"""A ruleset with three kinds of identity, and submissions that end without HTTP."""

from collections.abc import Callable

import pytest

from engine.event import Event, Submission
from engine.ingress.decode import Decoder
from engine.rules.model import Deduplication, Events, EventType, Path, Ruleset
from engine.rules.plan_events import compile_events

NOW_MS = 1_772_442_000_000  # 2026-03-02T09:00:00Z

ATTEMPT_SCHEMA = {
    "type": "object",
    "required": ["user_id", "score"],
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "context": {"type": "object", "properties": {"device": {"enum": ["phone", "tablet"]}}},
    },
}

DAY_MS = 86_400_000


def path(*steps: str | int) -> Path:
    return Path(".".join(map(str, steps)), steps)


def ruleset(**events: object) -> Ruleset:
    types = {"attempt": EventType("attempt", ATTEMPT_SCHEMA), "session": EventType("session"), "note": EventType("note")}
    settings: dict[str, object] = {"types": types, **events}
    return Ruleset(
        digest="0123456789abcdef",
        events=Events(path("event_type"), path("timestamp"), path("user_id"), **settings),  # type: ignore[arg-type]
        deduplication={
            "attempt": Deduplication("attempt", (path("client_attempt_id"),), DAY_MS),
            "session": Deduplication("session", (path("user_id"), path("context", "sessions", 0)), 2 * DAY_MS),
        },
    )


def submission_of(*items: bytes | dict[str, object], done: Callable[[Submission], None] = lambda _: None) -> Submission:
    size_bytes = sum(len(item) for item in items)
    return Submission(items, input_name="test", received_ms=NOW_MS, size_bytes=size_bytes, done=done)


Decode = Callable[..., tuple[list[Event], Submission]]


@pytest.fixture
def decode() -> Decode:
    """Decode items under the ruleset, changed by keywords of `events`, with `max_event_bytes` and `max_depth`."""

    def run(*items: bytes | dict[str, object], max_event_bytes: int = 2_000, max_depth: int = 64, **events: object):  # type: ignore[no-untyped-def]  # noqa: ANN202
        decoder = Decoder(
            compile_events(ruleset(**events)), lambda: NOW_MS, max_event_bytes=max_event_bytes, max_depth=max_depth
        )
        submission = submission_of(*items)
        return decoder.decode(submission), submission

    return run
