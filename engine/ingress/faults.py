"""Why an event is rejected: one function for each reason, with the place, the value seen and what to do.

In: what the decoder saw. Out: an outcome. Rule of the file: codes are stable, words are for the person who sent the event.
"""

from collections.abc import Collection
from typing import Final

import orjson

from engine.event import REJECTED, JsonObject, Outcome
from engine.ingress.json_errors import why_not_json
from engine.rules.diagnostics import did_you_mean, shown
from engine.rules.model import Path
from engine.rules.schemas import EventSchema, json_pointer
from engine.rules.times import format_time

RESERVED_MEMBERS: Final = ("enrichment", "processing")
"""Members that the engine adds to a record; no event may bring its own."""

MAX_IDENTITY_CHARS: Final = 512
"""How long a part of a claim key may be."""

_TIME_WORDS: Final = "send RFC 3339 text such as `2026-03-01T09:30:00Z`, or epoch milliseconds as a whole number"
_UNITS_MS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def invalid_json(raw: bytes, error: orjson.JSONDecodeError) -> Outcome:
    """The bytes are not JSON; nesting that the decoder does not follow is `too_deep`."""
    if "depth limit" in error.msg:
        return _rejected("too_deep", f"arrays and objects are nested too deeply, at character {error.pos}; flatten the event")
    return _rejected("invalid_json", why_not_json(raw, error))


def not_an_object(data: object) -> Outcome:
    """The item is JSON of another kind; or an outcome, where it was known before that it is no event."""
    if isinstance(data, Outcome):
        return data
    return _rejected("not_an_object", f"{described(data)} is not an event; send an object")


def too_large(size_bytes: int, limit_bytes: int) -> Outcome:
    """The event's canonical form is larger than an event may be."""
    return _rejected("too_large", f"the event has {size_bytes} bytes; at most {limit_bytes} are taken")


def too_deep(limit: int) -> Outcome:
    """Arrays and objects are nested further than an event may."""
    return _rejected("too_deep", f"arrays and objects are nested in more than {limit} levels; flatten the event")


def number_range(pointer: str, digits: str) -> Outcome:
    """An integer beyond 64 bits, which would lose digits on its way."""
    message = f"`{shown(digits)}` does not fit into 64 bits and would lose digits; send it as a string"
    return _rejected("number_range", message, pointer)


def reserved_member(data: JsonObject) -> Outcome:
    """The event has a member that the engine is going to write."""
    name = next(name for name in RESERVED_MEMBERS if name in data)
    return _rejected("reserved_member", f"`{name}` is added by the engine; rename or remove the member", json_pointer((name,)))


def missing_type(path: Path) -> Outcome:
    """The member that names the type is missing or null."""
    return _rejected("missing_type", f"`{path.text}` is missing; it names the type of the event", json_pointer(path.steps))


def unknown_type(path: Path, value: object, known: Collection[str]) -> Outcome:
    """The event is of a type that the ruleset does not declare, or what names its type is not a string."""
    if isinstance(value, str):
        advice = did_you_mean(value, known) or "declare the type under `events.types`"
        message = f"`{path.text}` is `{shown(value)}`, which is no declared event type; {advice}"
    else:
        message = f"`{path.text}` is {described(value)}; send the name of the type as a string"
    return _rejected("unknown_type", message, json_pointer(path.steps))


def against_schema(schema: EventSchema, data: JsonObject) -> Outcome:
    """The schema of the event's type does not take it."""
    pointer, message = schema.explain(data)
    return _rejected("schema", message, pointer)


def bad_time(path: Path, value: object) -> Outcome:
    """The member that holds the time is missing, or is not a time."""
    pointer = json_pointer(path.steps)
    if value is None:
        return _rejected("missing_time", f"`{path.text}` is missing; {_TIME_WORDS}", pointer)
    return _rejected("bad_time", f"`{path.text}` is {described(value)}, which is not a time; {_TIME_WORDS}", pointer)


def outside_skew(path: Path, time_ms: int, now_ms: int, limit_ms: int | None) -> Outcome:
    """The event's time is further from the engine's clock than `events.max_skew` takes."""
    off_ms = time_ms - now_ms
    side, words = ("future", "ahead of") if off_ms > 0 else ("past", "behind")
    message = (
        f"`{path.text}` is {format_time(time_ms)}, {_duration(abs(off_ms))} {words} this service's clock; "
        f"at most {_duration(limit_ms or 0)} is taken: correct the clock, or change `events.max_skew.{side}`"
    )
    return _rejected(f"skew_{side}", message, json_pointer(path.steps))


def bad_claim_key(path: Path, value: object) -> Outcome:
    """A part of the claim key is missing or empty, or is nothing that could be one."""
    pointer = json_pointer(path.steps)
    if value is None or value == "":
        state = "missing" if value is None else "empty"
        return _rejected("missing_claim_key", f"`{path.text}` is {state}; copies of the event are recognised by it", pointer)
    if isinstance(value, str):
        message = f"`{path.text}` has {len(value)} characters; at most {MAX_IDENTITY_CHARS} are taken"
        return _rejected("bad_claim_key", message, pointer)
    return _rejected("bad_claim_key", f"`{path.text}` is {described(value)}; send a string or a whole number", pointer)


def internal_error(error: Exception) -> Outcome:
    """A bug of ours; it costs this event and no other."""
    return _rejected("internal_error", f"the event could not be read for a reason of ours ({type(error).__name__}); report it")


def described(value: object) -> str:
    """A value in a sentence: its kind and, where it is short enough to help, the value."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return f"the string `{shown(value)}`" if value else "an empty string"
    return f"`{shown(value)}`"


def _rejected(code: str, message: str, pointer: str = "") -> Outcome:
    return Outcome(REJECTED, code, message, pointer)


def _duration(duration_ms: int) -> str:
    """The two largest units, such as `3h 2m`; what is smaller is cut off."""
    parts: list[str] = []
    for unit, unit_ms in _UNITS_MS:
        number, duration_ms = divmod(duration_ms, unit_ms)
        if number:
            parts.append(f"{number}{unit}")
        if len(parts) == 2 or (parts and not number):
            break
    return " ".join(parts) or "0s"
