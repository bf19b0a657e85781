"""The sections of rule files in the editor's schema, except what filters do and what tests say.

In: the names that a project declares. Out: one schema a section. Rule of the file: a section may be spread over files, so that nothing is
required at the top of one; what a single rule needs is.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.rules.editor_parts import (
    ANY_SCALAR,
    DURATION_OR_NONE_PATTERN,
    DURATION_PATTERN,
    Schema,
    choice,
    closed,
    described,
    duration,
    flag,
    list_of,
    map_or,
    name_of,
    named,
    one_of_its_kind,
    one_or_many,
    path,
    ref,
    share,
    text,
    whole,
    words,
)
from engine.rules.model import Aggregation, Deduplication, Emit, Events, LatePolicy
from engine.rules.parse_aggregations import BUILT_IN_MEASURES, COMPUTED_MEASURES
from engine.rules.parse_enrichment import _KINDS_OF_DERIVED
from engine.rules.source_settings import BUILT_IN_SOURCES, Setting, SourceKind


@dataclass(frozen=True, slots=True)
class Names:
    """What a project declares, for its names to be offered, and the plug-ins that are installed."""

    types: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    aggregations: tuple[str, ...] = ()
    source_plugins: Collection[str] = ()
    measure_plugins: Collection[str] = ()


SOURCE_HELP: Final = {
    "file": "A JSON, NDJSON or CSV file, read again when it changes.",
    "http": "A service that answers one object per key.",
    "redis": "A key of a Redis server.",
    "sql": "A row of a query.",
}
SETTING_HELP: Final = {
    "path": "The file, relative to this one.",
    "id": "The column or member that holds the key, in a table or an answer with several rows.",
    "url": "Where to ask. In the URL of a service `{key}` stands for the key that is looked up; a database has its own form of URL, and so has Redis.",
    "batch_url": "Where to ask for several keys at once; `{keys}` stands for them, parted by commas.",
    "batch_size": "The most keys of one question.",
    "headers": "Headers that are sent with every request.",
    "timeout": "How long to wait for one answer: `200ms`.",
    "concurrency": "How many questions at once.",
    "value": "What stands there: `json`, one object; `hash`, members of text; `hash_of_json`, members that are JSON each.",
    "key": "The key to read; `{key}` stands for the key that is looked up.",
    "max_answer_bytes": "The largest answer that is taken; a larger one is a failure.",
    "query": "The query; `:key` stands for the key that is looked up, or `:keys` in `id IN :keys` for several at once.",
}
DERIVED_HELP: Final = {
    "bucket": "The label of the range that the number falls into; goes with `edges` and `labels`.",
    "difference": "The first minus the second.",
    "ratio": "The first divided by the second.",
    "hour": "The hour of a time, 0 to 23.",
    "part_of_day": "Morning, afternoon, evening or night of a time.",
    "jmespath": "What a JMESPath expression extracts from the event.",
}
MEASURE_HELP: Final = {
    "count": "How many events; with a condition, how many for which it holds.",
    "sum": "The sum of a field.",
    "avg": "The mean of a field.",
    "min": "The least value of a field.",
    "max": "The largest value of a field.",
    "first": "The value of the earliest event.",
    "last": "The value of the latest event.",
    "distinct": "How many different values: exact while few, a sketch when many.",
    "quantile": "The value that a share `q` of the events lies below.",
    "top": "The `n` most frequent values.",
    "ratio": "One measure divided by another.",
    "difference": "One measure minus another.",
}
_TO_ROUTE: Final = "A route that is declared under `routes`."
_OR_NONE: Final[Schema] = {"type": "string", "pattern": DURATION_OR_NONE_PATTERN}


def events(names: Names) -> Schema:
    """The section `events`."""
    event_type = closed({"schema": text("The JSON Schema of these events, relative to this file.")}, type=["object", "null"])
    types = {"type": "object", "minProperties": 1, "properties": {}, "additionalProperties": event_type}
    at_once = [word for word in words(LatePolicy, "action") if word != "route"]
    late = map_or(_route(names.routes), {"enum": at_once})
    return closed(
        {
            "type": path("The field that names the event type."),
            "time": path("The field that says when it happened: RFC 3339 text, or epoch milliseconds."),
            "key": path("The field whose events keep their order; the partition key as well."),
            "ordering": described(
                "What becomes of events that do not come in the order of their times.",
                closed(
                    {
                        "wait": duration("How long to hold an event for earlier ones of the same key."),
                        "late": described("What becomes of an event after a later one: `flag`, `drop` or `{route: NAME}`.", late),
                    }
                ),
            ),
            "max_skew": described(
                "How far an event's time may lie from now; outside it the event is rejected.",
                closed(
                    {
                        "future": described("How far ahead an event's time may lie; `none` for no limit.", _OR_NONE),
                        "past": described("How far back an event's time may lie; `none` for no limit.", _OR_NONE),
                    }
                ),
            ),
            "unknown_types": choice("What becomes of an event of an undeclared type.", words(Events, "unknown_types")),
            "types": described("The event types, by what the type's field says.", types),
        },
        type=["object", "null"],
    )


def _route(routes: Iterable[str]) -> Schema:
    return closed({"route": name_of(_TO_ROUTE, routes)}, ["route"])


def deduplication(names: Names) -> Schema:
    """The section `deduplication`."""
    rule = closed(
        {
            "key": described("The field, or the fields together, that make an event unique.", one_or_many(ref("path"))),
            "ttl": duration("How long copies are recognised; at least ten minutes."),
            "retries": duration("How long senders go on sending copies; only the validator reads it."),
            "on_conflict": choice("What a copy with another content is.", words(Deduplication, "on_conflict")),
            "on_store_failure": choice("What happens while the store is away.", words(Deduplication, "on_store_failure")),
        },
        ["key", "ttl"],
    )
    return {
        "type": ["object", "null"],
        "properties": {name: described(f"Copies of `{name}` events.", rule) for name in names.types},
        "additionalProperties": rule,
    }


def enrichment() -> Schema:
    """The section `enrichment`."""
    sources = named(_source(), member=True)
    return closed(
        {
            "budget": duration("For all lookups of one event together; what is late is left out."),
            "sources": described("What is looked up, read by rules as `NAME.field`.", sources),
            "derived": described("What is computed, read by rules as `derived.NAME`.", named(_derived(), member=True)),
        },
        type=["object", "null"],
    )


def place_to_ask(names: Names) -> Schema:
    """One place that a source asks."""
    built_in = {name: described(SOURCE_HELP.get(name, ""), _settings(kind)) for name, kind in BUILT_IN_SOURCES.items()}
    plugins = {name: described("A plug-in's source.", {"type": "object"}) for name in sorted(names.source_plugins)}
    return closed({**plugins, **built_in}, minProperties=1, maxProperties=1)


def _settings(kind: SourceKind) -> Schema:
    settings = {
        name: described(SETTING_HELP.get(name, ""), _setting(name, setting, kind)) for name, setting in kind.settings.items()
    }
    needs = {name: [setting.needs] for name, setting in kind.settings.items() if setting.needs in kind.settings}
    return closed(settings, kind.required, dependentRequired=needs)


def _setting(name: str, setting: Setting, kind: SourceKind) -> Schema:
    """A value as it is written: where the environment gives it, it is text."""
    if setting.form == "headers":
        return {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
    if setting.form == "whole":
        bounds = {"minimum": setting.least, "maximum": setting.most}
        return {"type": ["integer", "string"], **bounds, "pattern": r"^[1-9][0-9]*$|\$\{"}
    if setting.form == "duration":
        return {"type": "string", "pattern": rf"{DURATION_PATTERN}|\$\{{"}
    if setting.choices:
        return {"anyOf": [{"enum": list(setting.choices)}, {"type": "string", "pattern": r"\$\{"}]}
    marks = [re.escape(mark) for mark in kind.marks.get(name, ())]
    return {"type": "string", "minLength": 1, **({"pattern": "|".join([*marks, r"\$\{"])} if marks else {})}


def _source() -> Schema:
    place = ref("place_to_ask")
    return closed(
        {
            "lookup": path("The field that holds the key to look up."),
            "from": described("The place to ask.", place),
            "fallback": described("Asked in turn when the one before has nothing or fails.", one_or_many(place)),
            "cache": described("How long answers are kept.", _cache()),
            "breaker": described("When a failing source is left alone.", _breaker()),
            "max_waiting": whole("The most keys that are asked for at a time; an event with one more goes on without.", 1),
            "fields": list_of(text("A member of the answer."), description="The members that are taken over; all without this."),
            "default": {"type": "object", "description": "Stands in where nothing is known."},
        },
        ["lookup", "from"],
    )


def _cache() -> Schema:
    most = whole("The most answers that are kept.", 1)
    return closed(
        {
            "local": described(
                "Answers kept in this process.",
                closed({"ttl": duration("How long in this process."), "max_entries": most}, ["ttl"]),
            ),
            "shared": described(
                "Answers kept in the store that all instances share.",
                closed({"ttl": duration("How long in the store that all instances share.")}, ["ttl"]),
            ),
            "negative_ttl": duration("How long it is remembered that there is nothing."),
            "stale_if_error": duration("How old an answer may be while the source fails."),
            "refresh_ahead": share("The share of the time to live after which it is asked for again, in the background."),
        }
    )


def _breaker() -> Schema:
    return closed(
        {
            "failures": whole("Opens after so many failures in a row.", 1),
            "failure_rate": share("Opens when this share of the window's calls failed."),
            "window": duration("How far back calls are counted."),
            "min_calls": whole("The rate counts from so many calls on.", 1),
            "open_for": duration("How long the source is left alone at first."),
            "max_open_for": duration("The longest that it is left alone."),
        }
    )


def _derived() -> Schema:
    pair = list_of({"type": ["string", "number"]}, minItems=2, maxItems=2)
    forms: dict[str, Mapping[str, object]] = {"difference": pair, "ratio": pair, "jmespath": {"type": "string", "minLength": 1}}
    kinds = {kind: described(DERIVED_HELP.get(kind, ""), forms.get(kind, ref("path"))) for kind in _KINDS_OF_DERIVED}
    options = {
        "edges": list_of({"type": "number"}, description="Where the next bucket begins, rising."),
        "labels": list_of({"type": "string", "minLength": 1}, description="One more than edges."),
        "timezone": described("`UTC`, `Europe/Berlin` … or `{field: path}`.", map_or(ref("field"), {"type": "string"})),
    }
    needs = {"bucket": ["edges", "labels"], "edges": ["bucket"], "labels": ["bucket"]}
    timeless = {kind: False for kind in _KINDS_OF_DERIVED if kind not in {"hour", "part_of_day"}}
    without_time = {"timezone": {"properties": timeless}}
    return one_of_its_kind(kinds, options, dependentRequired=needs, dependentSchemas=without_time)


def aggregations(names: Names) -> Schema:
    """The section `aggregations`."""
    late = map_or(_route(names.routes), {"const": "count"})
    aggregation = closed(
        {
            "description": text("What it is for."),
            "when": described("The events that are counted.", ref("condition")),
            "blocked": choice("Whether events that a filter blocks are counted.", words(Aggregation, "blocked")),
            "key": described("What is counted apart, by name; `{}` is one group.", {**named(ref("path")), "type": "object"}),
            "window": described("Over which stretch of the events' own time.", _window()),
            "late": described(
                "What becomes of events that come after their window's end.",
                closed(
                    {
                        "allow": duration("How long after its end a window takes events."),
                        "then": described("What becomes of later ones: `count` or `{route: NAME}`.", late),
                    }
                ),
            ),
            "retain": duration("How long a window can be asked for."),
            "max_keys": whole("How many groups live at once.", 1),
            "on_overflow": choice("What happens beyond `max_keys`.", words(Aggregation, "on_overflow")),
            "measures": described("The figures.", {**named(_measure(names)), "type": "object", "minProperties": 1}),
            "emit": described(
                "The final window is sent as an event of its own.",
                closed(
                    {
                        "to": name_of(_TO_ROUTE, names.routes),
                        "on": choice("When it is sent.", words(Emit, "on")),
                        "idle": described(
                            "How long nothing comes before event time goes on by the clock; `none` for never.", _OR_NONE
                        ),
                    },
                    ["to"],
                ),
            ),
        },
        ["key", "window", "max_keys", "measures"],
    )
    return named(aggregation)


def _window() -> Schema:
    return closed(
        {
            "tumbling": duration("Windows of this size, one after the other."),
            "hopping": duration("Windows of this size that overlap; goes with `every`."),
            "every": duration("How far apart they begin; the size is a multiple of it."),
        },
        **{
            "if": {"required": ["hopping"]},
            "then": {"required": ["every"], "properties": {"tumbling": False}},
            "else": {"required": ["tumbling"], "properties": {"every": False}},
        },
    )


def _measure(names: Names) -> Schema:
    pair = list_of(text("The name of a measure."), minItems=2, maxItems=2)
    forms: dict[str, Mapping[str, object]] = {"count": ref("condition"), **dict.fromkeys(COMPUTED_MEASURES, pair)}
    kinds = {
        **{name: path("A plug-in's measure of a field.") for name in sorted(names.measure_plugins)},
        **{name: described(MEASURE_HELP.get(name, ""), forms.get(name, ref("path"))) for name in BUILT_IN_MEASURES},
    }
    options = {
        "q": share("The share of events that lie below: `0.95`."),
        "n": whole("How many values.", 1),
        "exact": flag("Keep the whole set, in place of a sketch."),
    }
    needs = {"quantile": ["q"], "q": ["quantile"], "n": ["top"], "exact": ["distinct"]}
    return map_or(one_of_its_kind(kinds, options, dependentRequired=needs), {"const": "count"})


def routes() -> Schema:
    """The section `routes`."""
    return named(closed({"topic": text("The topic that its records go to.")}, ["topic"]))


def lists() -> Schema:
    """The section `lists`."""
    return named(list_of({"type": list(ANY_SCALAR)}))
