"""Events as the plan sees them: where type, time, key and identity stand, and which schema each type has.

In: a checked ruleset. Out: an `EventPlan` that the decoder runs on, an event at a time. Rule of the file: a reader returns None
for what is missing and never raises.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.event import JsonObject
from engine.rules.model import Deduplication, Path, Ruleset
from engine.rules.schemas import EventSchema

Reader = Callable[[JsonObject], object]


@dataclass(frozen=True, slots=True)
class TypePlan:
    """One event type. `schema` is None where it takes any object.

    `identity` has one path and one reader for each part of the claim key; it is empty where copies are not recognised.
    `ttl_ms` is how long a claim lasts, 0 without identity.
    """

    name: str
    schema: EventSchema | None = None
    identity: tuple[tuple[Path, Reader], ...] = ()
    ttl_ms: int = 0


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What the decoder asks of an event. `max_future_ms` and `max_past_ms` None switch that side off.

    `read_key` returns None for every event where the ruleset orders nothing, and `key_path` is None. `members` are the names of the members that hold type,
    time and key, each empty where that is not one member.
    """

    type_path: Path
    time_path: Path
    read_type: Reader
    read_time: Reader
    read_key: Reader
    key_path: Path | None
    members: tuple[str, str, str]
    max_future_ms: int | None
    max_past_ms: int | None
    pass_unknown_types: bool
    types: Mapping[str, TypePlan]


def compile_events(ruleset: Ruleset) -> EventPlan:
    """The plan of the ruleset's events. Raises SchemaInvalid for a schema that the checks should have found."""
    events = ruleset.events
    names = dict.fromkeys([*events.types, *ruleset.deduplication])
    return EventPlan(
        type_path=events.type,
        time_path=events.time,
        read_type=reader(events.type),
        read_time=reader(events.time),
        read_key=reader(events.key) if events.key else _read_nothing,
        key_path=events.key,
        members=(single_member(events.type), single_member(events.time), single_member(events.key)),
        max_future_ms=events.max_future_ms,
        max_past_ms=events.max_past_ms,
        pass_unknown_types=events.unknown_types == "pass",
        types={name: _type_plan(name, ruleset) for name in names},
    )


def reader(path: Path) -> Reader:
    """A function that reads the path from an event's own members; None stands for missing as for null."""
    steps, member = path.steps, single_member(path)
    return (lambda data: data.get(member)) if member else (lambda data: _follow(data, steps))


def single_member(path: Path | None) -> str:
    """The name where the path is one member of the event, so that a loop can read it without a call; otherwise empty."""
    steps = path.steps if path else ()
    return steps[0] if len(steps) == 1 and isinstance(steps[0], str) else ""


def _type_plan(name: str, ruleset: Ruleset) -> TypePlan:
    declared = ruleset.events.types.get(name)
    rule: Deduplication | None = ruleset.deduplication.get(name)
    return TypePlan(
        name=name,
        schema=EventSchema(declared.schema) if declared and declared.schema is not None else None,
        identity=tuple((path, reader(path)) for path in rule.key) if rule else (),
        ttl_ms=rule.ttl_ms if rule else 0,
    )


def _follow(data: object, steps: Sequence[str | int]) -> object:
    for step in steps:
        if isinstance(data, dict) and isinstance(step, str):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _read_nothing(_data: JsonObject) -> object:
    return None
