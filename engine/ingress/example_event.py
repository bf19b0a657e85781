"""An event to begin with: what the rules in service need of one.

In: where they read type, time, key and identity. Out: an event with a value at each. Rule of the file: values are plausible by their members'
names alone; a schema may ask for more, and says so when the event is explained.
"""

from collections.abc import Sequence

from engine.event import JsonObject
from engine.rules.plan_events import EventPlan
from engine.rules.times import format_time


def example_event(plan: EventPlan, now_ms: int) -> JsonObject:
    """An event of the first type that the rules declare, of now: `{"event_type": "order", "timestamp": …, "order_id": "order_1"}`.

    It has each member that holds type, time, order key or identity, also inside other members; not those inside arrays.
    """
    type_ = next(iter(plan.types.values()), None)
    keys = [path for path in (plan.key_path, *(path for path, _ in (type_.identity if type_ else ()))) if path is not None]
    event: JsonObject = {}
    _put(event, plan.type_path.steps, type_.name if type_ else "example")
    _put(event, plan.time_path.steps, format_time(now_ms))
    for path in keys:
        _put(event, path.steps, f"{str(path.steps[-1]).removesuffix('_id')}_1")
    return event


def _put(members: JsonObject, steps: Sequence[str | int], value: str) -> None:
    """Put the value where it is read, unless something is there."""
    names = [step for step in steps if isinstance(step, str)]
    if len(names) < len(steps):
        return
    for name in names[:-1]:
        below = members.setdefault(name, {})
        if not isinstance(below, dict):
            return
        members = below
    members.setdefault(names[-1], value)
