"""What a rule test does, one step after the other.

In: a test as written, checked by `parse_tests.py`. Out: steps. Rule of the file: a test with one `event` is a test with two steps.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from engine.event import JsonObject
from engine.rules.durations import parse_duration
from engine.rules.model import Ruleset, RuleTest
from engine.rules.times import format_time, parse_time
from engine.rules.values import follow

NUMBER: str = "{n}"
"""In the texts of a template: the number of the event, from 1."""


@dataclass(frozen=True, slots=True)
class Send:
    """Events to send, each `every_ms` after the one before it by its own time and by the clock."""

    template: JsonObject
    times: int = 1
    every_ms: int = 0

    def events(self, ruleset: Ruleset) -> Iterator[JsonObject]:
        """The events, in order."""
        for index in range(self.times):
            event = copy.deepcopy(self.template)
            if self.times > 1:
                event = cast("JsonObject", _numbered(event, index + 1))
            if index and self.every_ms:
                _move(event, ruleset, index * self.every_ms)
            yield event


@dataclass(frozen=True, slots=True)
class Advance:
    """Time to let pass."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have come out: of each event of the last `send`, or of a window where an `aggregation` is named."""

    wanted: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SourceFault:
    """What happens to sources from here on: a word, or a context that they find; the name None stands for all."""

    words: Mapping[str | None, str | JsonObject | None]


@dataclass(frozen=True, slots=True)
class StoreFault:
    """What happens to the store from here on."""

    word: str


@dataclass(frozen=True, slots=True)
class EgressFault:
    """What happens to the egress from here on."""

    word: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Other rules from here on."""

    directory: Path


Step = Send | Advance | Expect | SourceFault | StoreFault | EgressFault | Reload


def steps_of(test: RuleTest) -> list[tuple[str, Step]]:
    """The steps with what they are called in messages."""
    if "steps" not in test.body:
        event, wanted = cast("JsonObject", test.body["event"]), cast("JsonObject", test.body["expect"])
        return [("`event`", Send(event)), ("`expect`", Expect(wanted))]
    steps = cast("list[Mapping[str, object]]", test.body["steps"])
    return [
        (f"step {number}, `{name}`", _step(name, value, test))
        for number, step in enumerate(steps, 1)
        for name, value in step.items()
    ]


def start_ms(test: RuleTest, ruleset: Ruleset) -> int | None:
    """When the clock of the test starts: at `now`, else with its first event; None where neither says."""
    if "now" in test.body:
        return parse_time(test.body["now"])
    for _, step in steps_of(test):
        if isinstance(step, Send):
            return event_time_ms(step.template, ruleset)
    return None


def event_time_ms(event: JsonObject, ruleset: Ruleset) -> int | None:
    """The event's own time, None where it has none."""
    return parse_time(follow(event, ruleset.events.time.steps))


def _step(name: str, value: object, test: RuleTest) -> Step:
    match name, value:
        case "send", {"template": template, **options}:
            times, every = options.get("times", 1), options.get("every", "0ms")
            return Send(cast("JsonObject", template), cast("int", times), parse_duration(str(every)) or 0)
        case "send", _:
            return Send(cast("JsonObject", value))
        case "advance", _:
            return Advance(parse_duration(str(value)) or 0)
        case "expect", _:
            return Expect(cast("JsonObject", value))
        case "source", dict():
            return SourceFault(cast("dict[str | None, str | JsonObject | None]", value))
        case "source", _:
            return SourceFault({None: str(value)})
        case "store", _:
            return StoreFault(str(value))
        case "egress", _:
            return EgressFault(str(value))
    return Reload(Path(test.span.file).parent / str(value))


def _numbered(value: object, number: int) -> object:
    match value:
        case str():
            return value.replace(NUMBER, str(number))
        case list():
            return [_numbered(item, number) for item in value]
        case dict():
            return {name: _numbered(item, number) for name, item in value.items()}
    return value


def _move(event: JsonObject, ruleset: Ruleset, by_ms: int) -> None:
    """Make the event's time a later one, in the form it has; one that is no time stays as it is."""
    *way, last = ruleset.events.time.steps
    holder = follow(event, tuple(way))
    time_ms = event_time_ms(event, ruleset)
    if isinstance(holder, dict) and time_ms is not None:
        holder[last] = time_ms + by_ms if type(holder[last]) is int else format_time(time_ms + by_ms)
