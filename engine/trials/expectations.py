"""What a test expects, held against what came out.

In: an expectation as written, and an event that has ended, or the windows of a key. Out: differences, and which filters they are about. Rule
of the file: each key of `parse_tests.py` has its reader here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import orjson

from engine.event import BLOCKED, Event
from engine.pipeline.aggregate import WindowValues
from engine.rules.model import Allow, Block, Filter, Ruleset, SendTo
from engine.rules.times import format_time, parse_time
from engine.rules.uses import names_in
from engine.rules.values import MISSING
from engine.trials.comparing import Difference, differences, set_differences
from engine.trials.world import EmittedWindow, Sent

_MAX_WINDOWS_SHOWN = 5


def event_differences(wanted: Mapping[str, object], sent: Sent) -> list[Difference]:
    """What is other than wanted of an event that has ended."""
    return [difference for key, value in wanted.items() for difference in _READERS[key](value, sent)]


def filters_concerned(wanted: Mapping[str, object], found: Sequence[Difference], sent: Sent) -> list[str]:
    """The filters that a person wants explained, by these differences."""
    return [rule.id for rule in sent.ruleset.filters if any(_concerns(rule, one, wanted, sent) for one in found)]


def window_differences(wanted: Mapping[str, object], windows: Sequence[WindowValues]) -> list[Difference]:
    """What is other than wanted of the windows of a key; exactly one must fit what is said of its start and end."""
    values = cast("Mapping[str, object]", wanted["values"])
    fitting = [window for window in windows if _fits(wanted, window)]
    if len(fitting) == 1:
        return list(differences("values", values, fitting[0].values))
    if not fitting and all(value is None for value in values.values()):
        return []
    there = [f"{format_time(window.start_ms)} to {format_time(window.end_ms)}" for window in windows[:_MAX_WINDOWS_SHOWN]]
    if not fitting:
        advice = f"windows of this key: {'; '.join(there)}" if there else "nothing was counted under this key"
        return [Difference("window", {key: wanted[key] for key in wanted if key != "values"}, MISSING, advice)]
    return [Difference("window", "one window", f"{len(fitting)} windows", f"name its `start`: {'; '.join(there)}")]


def emitted_differences(wanted: Mapping[str, object], emitted: Sequence[EmittedWindow]) -> list[Difference]:
    """What is other than wanted of the last revisions of a key's windows that were published; revision 0 is none."""
    fitting = [one for one in emitted if _fits(wanted, one.window)]
    if wanted["revision"] == 0:
        return [Difference("revision", 0, one.revision, f"published with {one.window.values}") for one in fitting[:1]]
    if not fitting:
        return [Difference("revision", wanted["revision"], MISSING, "no such window of this key was published")]
    found = window_differences(wanted, [one.window for one in fitting])
    return found if len(fitting) > 1 else [*differences("revision", wanted["revision"], fitting[0].revision), *found]


def _fits(wanted: Mapping[str, object], window: WindowValues) -> bool:
    bounds = (("start", window.start_ms), ("end", window.end_ms))
    return all(name not in wanted or parse_time(wanted[name]) == time_ms for name, time_ms in bounds)


def _outcome(name: str) -> "_Reader":
    def read(wanted: object, sent: Sent) -> Iterator[Difference]:
        outcome = sent.outcome
        if outcome is None or wanted != (found := getattr(outcome, name) or None):
            code = "" if outcome is None or name != "status" else ": ".join(filter(None, (outcome.code, outcome.message)))
            yield Difference(name, wanted, MISSING if outcome is None or found is None else found, code)

    return read


def _blocking_filter(wanted: object, sent: Sent) -> Iterator[Difference]:
    outcome = sent.outcome
    found = outcome.code if outcome is not None and outcome.status == BLOCKED else MISSING
    if wanted != found:
        yield Difference("filter", wanted, found)


def _matching_filters(wanted: object, sent: Sent) -> Iterator[Difference]:
    if not set(names_in(wanted)).issubset(sent.matched):
        yield Difference("filters", list(names_in(wanted)), list(sent.matched), _unseen(sent))


def _other_filters(wanted: object, sent: Sent) -> Iterator[Difference]:
    if not set(names_in(wanted)).isdisjoint(sent.matched):
        yield Difference("not_filters", list(names_in(wanted)), list(sent.matched), "found are the filters that matched")


def _decided(name: str) -> "_Reader":
    def read(wanted: object, sent: Sent) -> Iterator[Difference]:
        found = () if sent.event is None else getattr(sent.event, name)
        yield from set_differences(name, names_in(wanted), found)

    return read


def _copies(wanted: object, sent: Sent) -> Iterator[Difference]:
    yield from set_differences("copies", names_in(wanted), [record.topic for record in sent.records[1:]])


def _topic(wanted: object, sent: Sent) -> Iterator[Difference]:
    yield from differences("topic", wanted, sent.records[0].topic if sent.records else MISSING)


def _late(wanted: object, sent: Sent) -> Iterator[Difference]:
    yield from differences("late", wanted, MISSING if sent.event is None else sent.event.late)


def _degraded(wanted: object, sent: Sent) -> Iterator[Difference]:
    found = cast("list[str]", _member(sent, "processing", "degraded") or [])
    yield from set_differences("degraded", names_in(wanted), found if sent.records else [])


def _record_part(name: str, *way: str) -> "_Reader":
    def read(wanted: object, sent: Sent) -> Iterator[Difference]:
        found = _member(sent, *way)
        advice = "" if sent.records else "there is no record of it"
        for difference in differences(name, wanted, found):
            yield Difference(difference.place, difference.wanted, difference.found, advice)

    return read


def _member(sent: Sent, *way: str) -> object:
    """A part of the event's record, MISSING where there is none."""
    value: object = orjson.loads(sent.records[0].value) if sent.records else MISSING
    for name in way:
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value


def _unseen(sent: Sent) -> str:
    if sent.before is not None or sent.outcome is None:
        return ""
    return f"it never came to the filters: {sent.outcome.message or sent.outcome.status}"


def _concerns(rule: Filter, difference: Difference, wanted: Mapping[str, object], sent: Sent) -> bool:
    """Whether a filter can be the reason: it is named, it blocked, or it decides what differs."""
    place = difference.place
    if place in {"filter", "filters", "not_filters"}:
        return rule.id in names_in(wanted[place]) or _blocked_by(sent.event, rule)
    if place == "status":
        ought_to_block = wanted["status"] == BLOCKED and any(isinstance(action, Block) for action in rule.actions)
        return ought_to_block or _blocked_by(sent.event, rule)
    if place not in {"marks", "routes", "copies", "topic"}:
        return False
    return not _words(difference.wanted, difference.found).isdisjoint(_decisions(rule, place, sent.ruleset))


def _words(wanted: object, found: object) -> set[str]:
    """What stands on one side alone."""
    return set(names_in(wanted)) ^ set(names_in(found))


def _decisions(rule: Filter, place: str, ruleset: Ruleset) -> Iterator[str]:
    """The words that a filter can put at a place of an event's decisions."""
    for action in rule.actions:
        match place, action:
            case "marks", Allow(mark=str(mark)):
                yield mark
            case "routes", SendTo(to=route):
                yield route
            case "copies" | "topic", SendTo(to=route):
                yield ruleset.routes[route].topic


def _blocked_by(event: Event | None, rule: Filter) -> bool:
    return event is not None and event.blocked is not None and event.blocked[0] == rule.id


_Reader = Callable[[object, Sent], Iterator[Difference]]

_READERS: Final[Mapping[str, _Reader]] = {
    "status": _outcome("status"),
    "code": _outcome("code"),
    "message": _outcome("message"),
    "pointer": _outcome("pointer"),
    "filter": _blocking_filter,
    "filters": _matching_filters,
    "not_filters": _other_filters,
    "marks": _decided("marks"),
    "routes": _decided("routes"),
    "topic": _topic,
    "copies": _copies,
    "late": _late,
    "degraded": _degraded,
    "event": _record_part("event"),
    "enrichment": _record_part("enrichment", "enrichment"),
    "derived": _record_part("derived", "enrichment", "derived"),
    "processing": _record_part("processing", "processing"),
}
