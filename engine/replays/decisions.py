"""What two rulesets decided on one event, and in which respects that is not the same.

In: what was sent to both, and an index. Out: facets: what is other, how it was and how it would be, in words that many events share. Rule of the file:
where nothing is other, finding that out costs next to nothing.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import orjson

from engine.event import ACCEPTED, BLOCKED, OUTCOME_ACCEPTED, Event, Outcome
from engine.replays.sent import Sent
from engine.rules.values import MISSING

_MAX_PATHS: Final = 8
_NOT_ENDED: Final = Outcome("retry", "not_ended")


class Facet(NamedTuple):
    """One respect: `outcome`, `marks`, `routes`, `topic`, `copies`, `late`, or `members` of the record.

    Of `members`, `old` is empty and `new` names them.
    """

    what: str
    old: str
    new: str


class Member(NamedTuple):
    """A member of a record that is other; a value is MISSING where the record has none."""

    path: str
    old: object
    new: object


def is_same(old: Sent, new: Sent, index: int) -> bool:
    """Whether both decided the same. Records under one ruleset's name are compared as they went out."""
    before, after = old.outcomes[index], new.outcomes[index]
    if before is not after and not _same_end(before or _NOT_ENDED, after or _NOT_ENDED):
        return False
    if old.values[index] != new.values[index]:
        return False
    one, other = old.events[index], new.events[index]
    return one is None or other is None or (one.topic == other.topic and one.copies == other.copies)


def facets(old: Sent, new: Sent, index: int) -> tuple[Facet, ...]:
    """In which respects the decisions are other; where the outcomes are, nothing else is told.

    Empty where the records differ in the order of their members alone.
    """
    before, after = old.outcomes[index] or _NOT_ENDED, new.outcomes[index] or _NOT_ENDED
    if not _same_end(before, after):
        return (Facet("outcome", _end(before), _end(after)),)
    one, other = old.events[index], new.events[index]
    if one is None or other is None or before.status != ACCEPTED:
        return ()
    found = [facet for facet in _decided(one, other) if facet.old != facet.new]
    paths = [member.path for member in members(old, new, index)]
    if paths:
        more = f" and {len(paths) - _MAX_PATHS} more" if len(paths) > _MAX_PATHS else ""
        found.append(Facet("members", "", ", ".join(paths[:_MAX_PATHS]) + more))
    return tuple(found)


def members(old: Sent, new: Sent, index: int) -> list[Member]:
    """The members of the record that are other; none where one of the two has no record."""
    if not (old.values[index] and new.values[index]):
        return []
    before, after = orjson.loads(old.values[index]), orjson.loads(new.values[index])
    for record in (before, after):
        del record["processing"]
    return list(_other(before, after, ""))


def _decided(old: Event, new: Event) -> Iterator[Facet]:
    yield Facet("marks", _names(old.marks), _names(new.marks))
    yield Facet("routes", _names(old.routes), _names(new.routes))
    yield Facet("topic", old.topic or "the main topic", new.topic or "the main topic")
    yield Facet("copies", _names(old.copies), _names(new.copies))
    yield Facet("late", "late" if old.late else "in time", "late" if new.late else "in time")


def _other(old: object, new: object, path: str) -> Iterator[Member]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            yield from _other(old.get(name, MISSING), new.get(name, MISSING), f"{path}.{name}" if path else name)
    elif old is MISSING or new is MISSING or _text(old) != _text(new):
        yield Member(path, old, new)


def _text(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _same_end(before: Outcome, after: Outcome) -> bool:
    """Codes name what was wrong; how it is said may differ. Of a block, the reason is part of the rule."""
    if before.status == after.status == BLOCKED:
        return before == after
    return before[:2] == after[:2]


def _end(outcome: Outcome) -> str:
    if outcome == OUTCOME_ACCEPTED or not outcome.code:
        return outcome.status
    _, told, reason = outcome.message.partition(f"blocked by filter `{outcome.code}`: ")
    of = outcome.code if not told or reason == outcome.code else f"{outcome.code}: {reason}"
    return f"{outcome.status} ({of})"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
