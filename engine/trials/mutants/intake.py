"""Mutants of what comes before the rules: event types, times, order, and how copies are told.

Rule of the file: only what a test can see in what becomes of an event.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from engine.rules.durations import as_duration
from engine.rules.model import Deduplication, Events, LatePolicy, Ruleset
from engine.trials.mutants.mutant import Mutant


def intake_mutants(ruleset: Ruleset) -> Iterator[Mutant]:
    """Mutants of the sections `events` and `deduplication`."""
    for events, change, hint in (*_types(ruleset.events), *_times(ruleset.events)):
        yield Mutant("events", ruleset.events.span, change, hint, replace(ruleset, events=events))
    for name, rule in ruleset.deduplication.items():
        rules = ruleset.deduplication
        without = {other: kept for other, kept in rules.items() if other != name}
        hint = f"two `{name}` events that are copies"
        yield Mutant(f"deduplication.{name}", rule.span, "copies are not told", hint, replace(ruleset, deduplication=without))
        for changed, change, hint in _copies(rule):
            yield Mutant(
                f"deduplication.{name}", rule.span, change, hint, replace(ruleset, deduplication={**rules, name: changed})
            )


def _types(events: Events) -> Iterator[tuple[Events, str, str]]:
    other: Literal["reject", "pass"] = "pass" if events.unknown_types == "reject" else "reject"
    yield replace(events, unknown_types=other), f"`unknown_types` is `{other}`", "an event of a type that is not declared"
    for name, kind in events.types.items():
        if kind.schema is not None:
            types = {**events.types, name: replace(kind, schema=None)}
            hint = f"an event of the type `{name}` that its schema rejects"
            yield replace(events, types=types), f"`{name}` has no schema", hint


def _times(events: Events) -> Iterator[tuple[Events, str, str]]:
    for other_ms in _half_and_twice(events.max_future_ms):
        hint = "events a little before and beyond `max_skew.future`, in a test with `now`"
        yield replace(events, max_future_ms=other_ms), f"`max_skew.future` is `{as_duration(other_ms)}`", hint
    for other_ms in _half_and_twice(events.max_past_ms):
        hint = "events a little before and beyond `max_skew.past`, in a test with `now`"
        yield replace(events, max_past_ms=other_ms), f"`max_skew.past` is `{as_duration(other_ms)}`", hint
    if events.wait_ms and events.key is not None:
        yield replace(events, wait_ms=0), "`ordering.wait` is 0ms", "two events of one key in the wrong order, and their `late`"
    if events.key is not None:
        action: Literal["flag", "drop"] = "drop" if events.late.action != "drop" else "flag"
        changed = replace(events, late=LatePolicy(action, span=events.late.span))
        yield changed, f"`ordering.late` is `{action}`", "an event that comes after a later one of its key"


def _copies(rule: Deduplication) -> Iterator[tuple[Deduplication, str, str]]:
    kind = rule.event_type
    for at, path in enumerate(rule.key if len(rule.key) > 1 else ()):
        hint = f"two `{kind}` events that differ in `{path.text}` alone"
        yield replace(rule, key=rule.key[:at] + rule.key[at + 1 :]), f"`key` is without `{path.text}`", hint
    for other_ms in _half_and_twice(rule.ttl_ms):
        hint = f"copies of a `{kind}` event just before `ttl` is over, which is a duplicate, and just after it, which is accepted"
        yield replace(rule, ttl_ms=other_ms), f"`ttl` is `{as_duration(other_ms)}`", hint
    conflict: Literal["flag", "reject"] = "reject" if rule.on_conflict == "flag" else "flag"
    hint = f"a copy of a `{kind}` event with other contents"
    yield replace(rule, on_conflict=conflict), f"`on_conflict` is `{conflict}`", hint
    failure: Literal["pass", "reject"] = "reject" if rule.on_store_failure == "pass" else "pass"
    hint = f"a `{kind}` event while the store is down"
    yield replace(rule, on_store_failure=failure), f"`on_store_failure` is `{failure}`", hint


def _half_and_twice(duration_ms: int | None) -> tuple[int, ...]:
    return (duration_ms // 2, duration_ms * 2) if duration_ms is not None and duration_ms > 1 else ()
