"""The explanation of an event as JSON for programs, and as text for people.

In: an `EventExplanation`. Out: a JSON object, which the command and HTTP give alike, or lines. Rule of the file: nothing is judged here, and
both forms say the same.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

from engine.event import JsonObject
from engine.operations.explaining import EventExplanation, Explainer
from engine.rules.explained_costs import cost_of
from engine.rules.explanations import (
    WORDS,
    cost_text,
    explanation_as_json,
    explanation_lines,
    judged_as_json,
    judged_title,
    value_text,
    why_not_lines,
)
from engine.rules.interpreter import Explanation, Truth
from engine.rules.tallies import Tally
from engine.rules.times import format_time
from engine.rules.verdicts import Judged

ExplainInJson = Callable[[bytes | JsonObject, Mapping[str, JsonObject | None], str | None], Awaitable[JsonObject]]

_COLOURS: Final = {True: "\x1b[32m", False: "\x1b[31m", None: "\x1b[33m"}
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"
_WORD_CHARS: Final = max(map(len, WORDS.values()))


def as_json(found: EventExplanation) -> JsonObject:
    """Everything as one JSON object."""
    outcome = {name: value for name, value in found.outcome._asdict().items() if value}
    content: JsonObject = {"ruleset": found.ruleset, "id": found.id, "outcome": outcome}
    if found.event is None or found.verdict is None:
        return content
    verdict = found.verdict
    blocked = None if verdict.blocked is None else {"filter": verdict.blocked[0], "reason": verdict.blocked[1]}
    return {
        **content,
        "type": found.event.type,
        "time": format_time(found.event.time_ms),
        "key": found.event.key,
        "enrichment": found.enrichment,
        "filters": [judged_as_json(judged) for judged in found.filters],
        "decision": {
            "marks": list(verdict.marks),
            "routes": list(verdict.routes),
            "copies": list(verdict.copies),
            "topic": verdict.topic,
            "blocked": blocked,
        },
        "event": verdict.data,
        "aggregations": [_tally_as_json(tally) for tally in found.tallies],
    }


def in_json(explainer: Explainer) -> ExplainInJson:
    """The explainer as HTTP asks it."""

    async def explain(item: bytes | JsonObject, given: Mapping[str, JsonObject | None], rule_id: str | None = None) -> JsonObject:
        return as_json(await explainer.explain(item, given, rule_id))

    return explain


def human(found: EventExplanation, *, colour: bool, costs: bool = False) -> str:
    """The same as text, one line for each test. `colour` is for terminals; with `costs` each filter says what it cost."""
    return "".join(f"{line}\n" for line in _lines(found, colour=colour, costs=costs))


def tree(found: Explanation, *, indent: str = "", colour: bool = False) -> Iterator[str]:
    """A condition as lines, each with its result in front."""
    for result, text in explanation_lines(found):
        yield f"{indent}{_word(result, colour=colour)}  {text}"


def judged_lines(judged: Judged, *, colour: bool = False, costs: bool = False) -> Iterator[str]:
    """A filter: what became of it, its condition, and where that does not hold what it lacks."""
    yield judged_title(judged)
    if judged.explanation is None:
        return
    yield from tree(judged.explanation, indent="  ", colour=colour)
    yield from (f"  {'lacks':<{_WORD_CHARS}}  {line}" for line in why_not_lines(judged.explanation))
    if costs:
        yield f"  {'cost':<{_WORD_CHARS}}  {cost_text(cost_of(judged.explanation))}"


def tally_lines(tally: Tally, *, colour: bool = False) -> Iterator[str]:
    """What an aggregation makes of an event: in which windows it counts it, or why not."""
    if tally.reason:
        yield f"{tally.rule.id}: not counted, {tally.reason}"
        if tally.when is not None:
            yield from tree(tally.when, indent="  ", colour=colour)
        return
    windows = ", ".join(f"{format_time(start)} to {format_time(end)}" for start, end in tally.windows)
    yield f"{tally.rule.id}: {tally.key or 'the one group'}, {windows}"
    for name, condition in tally.measures.items():
        yield f"  {_word(condition.result, colour=colour)}  counted in `{name}`"


def _lines(found: EventExplanation, *, colour: bool, costs: bool) -> Iterator[str]:
    if found.event is None or found.verdict is None:
        yield f"{_title('rejected', colour=colour)} ({found.outcome.code}): {found.outcome.message}"
        return
    event = found.event
    yield f"{_title('event', colour=colour)}  {event.type} {found.id or 'without an identity'} at {format_time(event.time_ms)}"
    yield from _contexts(found.enrichment or {})
    if found.filters:
        yield ""
        yield _title("filters", colour=colour)
    for judged in found.filters:
        yield from (f"  {line}" for line in judged_lines(judged, colour=colour, costs=costs))
    yield ""
    yield from _decision(found, colour=colour)
    if found.tallies:
        yield ""
        yield _title("aggregations", colour=colour)
    for tally in found.tallies:
        yield from (f"  {line}" for line in tally_lines(tally, colour=colour))


def _contexts(enrichment: JsonObject) -> Iterator[str]:
    status = enrichment.get("status")
    for name, word in status.items() if isinstance(status, dict) else ():
        yield f"  {name} ({word}): {value_text(enrichment.get(name))}"
    derived = enrichment.get("derived")
    for name, value in derived.items() if isinstance(derived, dict) else ():
        yield f"  derived.{name}: {value_text(value)}"


def _decision(found: EventExplanation, *, colour: bool) -> Iterator[str]:
    yield f"{_title('outcome', colour=colour)}  {found.outcome.message or found.outcome.status}"
    if found.verdict is None:
        return
    for name, values in (("marks", found.verdict.marks), ("routes", found.verdict.routes), ("copies", found.verdict.copies)):
        if values:
            yield f"  {name}: {', '.join(values)}"
    if found.verdict.topic is not None:
        yield f"  topic: {found.verdict.topic}"


def _tally_as_json(tally: Tally) -> JsonObject:
    content: JsonObject = {
        "id": tally.rule.id,
        "counted": not tally.reason,
        "condition": None if tally.when is None else explanation_as_json(tally.when),
    }
    if tally.reason:
        return {**content, "reason": tally.reason}
    windows = [{"start": format_time(start), "end": format_time(end)} for start, end in tally.windows]
    measures = {name: explanation_as_json(condition) for name, condition in tally.measures.items()}
    return {**content, "key": tally.key, "windows": windows, "measures": measures}


def _word(result: Truth, *, colour: bool) -> str:
    word = f"{WORDS[result]:<{_WORD_CHARS}}"
    return f"{_COLOURS[result]}{word}{_PLAIN}" if colour else word


def _title(text: str, *, colour: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if colour else text
