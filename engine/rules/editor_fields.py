"""The fields that a project's conditions can test, as far as anything declares them.

In: a ruleset, of which parts may be missing. Out: each field's path, types, values and a text about it. Rule of the file: what no schema,
source or derived field declares is left out, and is no fault.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from engine.rules.event_fields import EventFields, Fact, Root, follow, schema_properties, type_words
from engine.rules.model import Derived, Ruleset
from engine.rules.paths import MAX_PATH_CHARS, parse_path

_MAX_FIELDS: Final = 2_000
_MAX_DEPTH: Final = 4
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field. `types` are JSON Schema's, None where any; `values` the only ones it has, None where that is not known."""

    path: str
    types: frozenset[str] | None
    values: tuple[object, ...] | None
    description: str


def known_fields(ruleset: Ruleset) -> list[KnownField]:
    """The fields of events, then what sources find, then what is derived."""
    fields = EventFields(ruleset)
    paths = [path for path in dict.fromkeys(_event_paths(ruleset, fields)) if len(path) <= MAX_PATH_CHARS]
    return [
        *(_event_field(path, ruleset, fields) for path in paths),
        *_source_fields(ruleset),
        *(_derived_field(derived, fields) for derived in ruleset.enrichment.derived.values()),
    ]


def _event_paths(ruleset: Ruleset, fields: EventFields) -> Iterator[str]:
    events = ruleset.events
    yield from (path.text for path in (events.type, events.time, events.key) if path)
    taken = {*ruleset.enrichment.sources, "derived"}
    for root in fields.roots(None):
        for steps in islice(_members(root, ()) if root else (), _MAX_FIELDS):
            yield _path_text(steps, own=steps[0] in taken)


def _members(root: Root, steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    place = follow(root, steps).root
    for name in schema_properties(place.node) if place else ():
        inner = (*steps, name)
        yield inner
        if len(inner) < _MAX_DEPTH:
            yield from _members(root, inner)


def _path_text(steps: Sequence[str], *, own: bool) -> str:
    parts = [name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in steps]
    return ("$." if own else "") + ".".join(parts)


def _event_field(path: str, ruleset: Ruleset, fields: EventFields) -> KnownField:
    facts = fields.facts(parse_path(path), None)
    texts = {
        name: _text_of(fact)
        for name in ruleset.events.types
        for fact in fields.facts(parse_path(path), frozenset((name,)))
        if fact.status == "declared"
    }
    return KnownField(path, _types(facts), _values(facts), _description(texts, _types(facts)))


def _text_of(fact: Fact) -> str:
    written = fact.root.node.get("description") if fact.root else None
    return written if isinstance(written, str) else ""


def _description(texts: dict[str, str], types: frozenset[str] | None) -> str:
    """What the schemas say of a field, and in which event types it occurs."""
    distinct = list(dict.fromkeys(text for text in texts.values() if text))
    if len(distinct) > 1:
        said = "\n\n".join(f"{name}: {text}" for name, text in texts.items() if text)
    else:
        said = distinct[0] if distinct else ""
    kind = f"It is {type_words(types)}." if types else ""
    where = f"Declared by {', '.join(texts)}." if texts else "A field of the event."
    return "\n\n".join(part for part in (said, f"{kind} {where}".strip()) if part)


def _source_fields(ruleset: Ruleset) -> Iterator[KnownField]:
    for source in ruleset.enrichment.sources.values():
        found = f"Found by the source `{source.name}`, which looks up `{source.lookup.text}`."
        for name in source.fields:
            yield KnownField(_path_text((source.name, name), own=False), None, None, found)


def _derived_field(derived: Derived, fields: EventFields) -> KnownField:
    path = f"derived.{derived.name}"
    facts = fields.facts(parse_path(path), None)
    types = _types(facts)
    kind = f" It is {type_words(types)}." if types else ""
    return KnownField(path, types, _values(facts), f"Computed by `{derived.kind}`.{kind}")


def _types(facts: Sequence[Fact]) -> frozenset[str] | None:
    """What the schemas that declare the field let it be besides null."""
    known = [fact.types for fact in facts if fact.status == "declared"]
    types = [one for one in known if one is not None]
    return frozenset().union(*types) - {"null"} if known and len(types) == len(known) else None


def _values(facts: Sequence[Fact]) -> tuple[object, ...] | None:
    """The only values, where each event type either fixes them or cannot have the field."""
    having = [fact for fact in facts if fact.status != "impossible"]
    values = [fact.values for fact in having if fact.values is not None]
    distinct = {orjson.dumps(value): value for one in values for value in one}
    return tuple(distinct.values()) if having and len(values) == len(having) else None
