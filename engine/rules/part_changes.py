"""What of one part of the rules is other than it was, in a few words each.

In: a part as it was, and as it is to be. Out: words such as `ttl 24h -> 1h`. Rule of the file: where nothing is said, the two mean the same.
"""

from collections.abc import Iterator
from dataclasses import replace

from engine.rules.diagnostics import shown
from engine.rules.durations import as_duration
from engine.rules.model import Aggregation, Condition, Deduplication, Events, Filter, Measure, Path, Ruleset, Source
from engine.rules.normalise import normalise
from engine.rules.uses import meaning


def other(name: str, old: object, new: object) -> Iterator[str]:
    """`name old -> new` where the two are not the same; a duration where the name ends in `_ms`; values too long to tell, by name alone."""
    if meaning(old) == meaning(new):
        return
    unit = name.endswith("_ms")
    before, after = _text(old, is_ms=unit), _text(new, is_ms=unit)
    word = name.removesuffix("_ms")
    yield f"{word} {before} -> {after}" if before and after else word


def events(old: Events, new: Events) -> Iterator[str]:
    """The `events` section but for its types."""
    for name in ("type", "time", "key", "unknown_types"):
        yield from other(name, getattr(old, name), getattr(new, name))
    yield from other("ordering wait_ms", old.wait_ms, new.wait_ms)
    yield from other("late", meaning(old.late), meaning(new.late))
    yield from other("max_skew future_ms", old.max_future_ms, new.max_future_ms)
    yield from other("max_skew past_ms", old.max_past_ms, new.max_past_ms)


def deduplication(old: Deduplication, new: Deduplication) -> Iterator[str]:
    """How copies of an event type are known."""
    yield from other("key", ", ".join(path.text for path in old.key), ", ".join(path.text for path in new.key))
    for name in ("ttl_ms", "on_conflict", "on_store_failure"):
        yield from other(name, getattr(old, name), getattr(new, name))


def source(old: Source, new: Source) -> Iterator[str]:
    """An enrichment source; of its places only that they are other, for they may hold secrets."""
    yield from other("lookup", old.lookup, new.lookup)
    yield from other("from", meaning(old.chain), meaning(new.chain))
    yield from other("fields", ", ".join(old.fields) or "all", ", ".join(new.fields) or "all")
    for name in ("cache", "breaker", "default"):
        yield from other(name, meaning(getattr(old, name)), meaning(getattr(new, name)))
    yield from other("max_waiting", old.max_waiting, new.max_waiting)


def filter_(old: Filter, new: Filter, before: Ruleset, after: Ruleset) -> Iterator[str]:
    """A filter, but for its place among the others."""
    yield from other("when", _resolved(old.when, before), _resolved(new.when, after))
    yield from other("then", meaning(old.actions), meaning(new.actions))
    yield from other("mode", old.mode, new.mode)


def shape(old: Aggregation, new: Aggregation, before: Ruleset, after: Ruleset) -> Iterator[str]:
    """What shapes the state of an aggregation."""
    yield from other("when", _resolved(old.when, before), _resolved(new.when, after))
    yield from other("blocked", old.blocked, new.blocked)
    yield from other("key", _key(old), _key(new))
    yield from other("window", _window(old), _window(new))
    measures, wanted = ({measure.name: measure for measure in rule.measures} for rule in (old, new))
    yield from (f"measure `{name}` added" for name in wanted if name not in measures)
    yield from (f"measure `{name}` removed" for name in measures if name not in wanted)
    for name in [name for name in wanted if name in measures]:
        if measures[name].kind != wanted[name].kind:
            yield f"measure `{name}` {measures[name].kind} -> {wanted[name].kind}"
        elif _measure(measures[name], before) != _measure(wanted[name], after):
            yield f"measure `{name}`"
    if measures.keys() == wanted.keys() and list(measures) != list(wanted):
        yield "order of measures"


def limits(old: Aggregation, new: Aggregation) -> Iterator[str]:
    """What an aggregation is told besides, and what leaves its state as it is."""
    for name in ("max_keys", "allow_late_ms", "late_route", "retain_ms", "on_overflow"):
        yield from other(name, getattr(old, name), getattr(new, name))
    yield from other("emit", meaning(old.emit), meaning(new.emit))


def _resolved(condition: Condition | None, ruleset: Ruleset) -> object:
    return None if condition is None else meaning(normalise(condition, ruleset))


def _measure(measure: Measure, ruleset: Ruleset) -> object:
    return meaning(replace(measure, condition=None)), _resolved(measure.condition, ruleset)


def _key(rule: Aggregation) -> str:
    return ", ".join(f"{name}: {path.text}" for name, path in rule.key) or "none"


def _window(rule: Aggregation) -> str:
    size = as_duration(rule.size_ms)
    return f"tumbling {size}" if rule.size_ms == rule.every_ms else f"hopping {size} every {as_duration(rule.every_ms)}"


def _text(value: object, *, is_ms: bool) -> str:
    match value:
        case None:
            return "none"
        case Path():
            return value.text
        case int() if is_ms:
            return as_duration(value)
        case str() | int() | float():
            return shown(value)
    return ""
