"""The OpenAPI operations of `engine/ingress/queries.py`, and what their answers hold.

In: nothing. Out: dicts. Rule of the file: a description says what a name cannot.
"""

from typing import Final

from engine.event import JsonObject

_COUNT: Final[JsonObject] = {"type": "integer", "minimum": 0}
_COUNTS: Final[JsonObject] = {"type": "object", "additionalProperties": _COUNT}
_SHARE: Final[JsonObject] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TEXT: Final[JsonObject] = {"type": "string"}
_TIME: Final[JsonObject] = {"type": "string", "format": "date-time"}
_MS: Final[JsonObject] = {"type": ["number", "null"], "description": "Milliseconds; null before the first."}
_PROBLEM: Final[JsonObject] = {"$ref": "#/components/schemas/Problem"}


def _object(**properties: object) -> JsonObject:
    return {"type": "object", "required": list(properties), "properties": properties}


def _by_name(value: JsonObject) -> JsonObject:
    return {"type": "object", "additionalProperties": value}


def _answer(description: str, schema: JsonObject) -> JsonObject:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusal(description: str) -> JsonObject:
    return {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}


def _parameter(name: str, description: str, schema: JsonObject, *, required: bool = False) -> JsonObject:
    return {"name": name, "in": "query", "description": description, "required": required, "schema": schema}


_LATENCY: Final = _object(count=_COUNT, mean=_MS, p50=_MS, p95=_MS, p99=_MS)
_WORKERS: Final = _object(
    running=_COUNT, wanted=_COUNT, deaths=_COUNT, utilization_percent={"type": "number", "minimum": 0, "maximum": 100}
)

PROCESSOR: Final[JsonObject] = {
    "summary": "What was done, how fast, and what waits",
    "responses": {
        "200": _answer(
            "Counts since the start; utilisation and throughput of the last minute.",
            _object(
                ruleset=_TEXT,
                uptime_seconds={"type": "number"},
                events=_object(processed=_COUNT, enriched=_COUNT, filtered=_COUNT, deduplicated=_COUNT),
                ledger={**_COUNTS, "description": "`received` is the sum of the others at every moment."},
                latency_ms=_LATENCY,
                events_per_second={"type": "number"},
                workers=_WORKERS,
                queue=_COUNTS,
                enrichment_cache_hit_ratio=_SHARE,
                routes=_COUNTS,
                counters=_COUNTS,
            ),
        )
    },
}

_SOURCE: Final = _object(
    **{"from": {"type": "array", "items": _TEXT}},
    lookups=_COUNT,
    hits=_object(local=_COUNT, shared=_COUNT),
    misses=_COUNT,
    fetched=_COUNT,
    negative={**_COUNT, "description": "Known to have nothing for the key, and there is no default."},
    default={**_COUNT, "description": "Known to have nothing for the key: the default was given."},
    stale={**_COUNT, "description": "Answered with what was over, because there was no better."},
    timeouts=_COUNT,
    breaker_open=_COUNT,
    hit_ratio=_SHARE,
    success_rate={**_SHARE, "description": "The share of look-ups that were not stale, timed out, or refused by the breaker."},
    requests=_COUNT,
    errors=_COUNT,
    refreshes=_COUNT,
    shared_skipped=_COUNT,
    shared_unwritten=_COUNT,
    breaker={"enum": ["closed", "half_open", "open"]},
    cache_entries=_COUNT,
    latency_ms=_LATENCY,
)

ENRICHMENT: Final[JsonObject] = {
    "summary": "What became of the look-ups of each enrichment source",
    "responses": {
        "200": _answer(
            "Counts since the start, by source.",
            _object(ruleset=_TEXT, events_enriched=_COUNT, cache_hit_ratio=_SHARE, sources=_by_name(_SOURCE)),
        )
    },
}

_FILTER: Final = _object(
    description=_TEXT,
    mode={"enum": ["enforce", "shadow", "off"]},
    actions={"type": "array", "items": {"type": "object"}},
    evaluated=_COUNT,
    matched=_COUNT,
    unknown={**_COUNT, "description": "The condition was neither true nor false: a value was missing or of the wrong type."},
    wrong_type=_COUNT,
    errors=_COUNT,
    held_back={**_COUNT, "description": "Matches outside the rollout: nothing was done."},
    would_have_matched={
        **_COUNT,
        "description": "Matches that nothing was done for: all in mode shadow, else those outside the rollout.",
    },
    rollout={"type": ["object", "null"], "description": "The share of keys that it acts on, and the field that holds them."},
    samples={
        "type": "array",
        "items": {"type": "object"},
        "description": "The newest of the events that it matched without acting.",
    },
    match_rate=_SHARE,
    last_match={"type": ["string", "null"], "format": "date-time", "description": "The time of the last event that matched."},
)

FILTERS: Final[JsonObject] = {
    "summary": "What each filter saw and did",
    "responses": {
        "200": _answer(
            "Counts since the ruleset came into service, in the order the filters run.",
            _object(ruleset=_TEXT, filters=_by_name(_FILTER)),
        )
    },
}

_AGGREGATION: Final = _object(
    description=_TEXT,
    key={"type": "array", "items": _TEXT},
    window=_object(kind={"enum": ["tumbling", "hopping"]}, size_ms=_COUNT, every_ms=_COUNT),
    allow_late_ms=_COUNT,
    retain_ms=_COUNT,
    measures=_by_name(_TEXT),
    live_groups=_COUNT,
    live_keys=_COUNT,
    max_keys=_COUNT,
    events=_COUNT,
    late=_COUNT,
    unkeyed=_COUNT,
    overflow=_COUNT,
    errors=_COUNT,
    evicted=_COUNT,
    emitted=_COUNT,
)

AGGREGATIONS: Final[JsonObject] = {
    "summary": "What aggregations there are, and what they have counted",
    "responses": {"200": _answer("By id; counts since the start.", _object(ruleset=_TEXT, aggregations=_by_name(_AGGREGATION)))},
}

_INSTANT: Final[JsonObject] = {"type": "string", "examples": ["2026-03-01T09:30:00Z", "1772357400000"]}

AGGREGATION: Final[JsonObject] = {
    "summary": "The windows of one key of an aggregation",
    "parameters": [
        _parameter("aggregator", "The aggregation's id.", {**_TEXT, "minLength": 1}, required=True),
        _parameter(
            "key",
            "`user:123`, `user:123,item:9`; of a single part `123` as well, where it has no colon; empty or left out where the aggregation has no key.",
            _TEXT,
        ),
        _parameter("from", "Windows that begin then or later: RFC 3339, or epoch milliseconds.", _INSTANT),
        _parameter("to", "Windows that begin before then.", _INSTANT),
        _parameter(
            "limit", "How many of the newest windows.", {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100}
        ),
    ],
    "responses": {
        "200": _answer(
            "One consistent picture, the newest window first. A window is `final` when event time has passed its end and the lateness that the "
            "aggregation allows.",
            _object(
                aggregator=_TEXT,
                key=_TEXT,
                windows={
                    "type": "array",
                    "items": _object(start=_TIME, end=_TIME, final={"type": "boolean"}, values={"type": "object"}),
                },
            ),
        ),
        "400": _refusal("A parameter is missing, unknown or cannot be read, or the key has another shape."),
        "404": _refusal("There is no such aggregation."),
        "503": _refusal("The state store does not answer."),
    },
}

METRICS: Final[JsonObject] = {
    "summary": "All metrics for Prometheus",
    "responses": {
        "200": {
            "description": "Prometheus text, or OpenMetrics where `Accept` asks for it.",
            "content": {"text/plain": {"schema": _TEXT}, "application/openmetrics-text": {"schema": _TEXT}},
        }
    },
}
