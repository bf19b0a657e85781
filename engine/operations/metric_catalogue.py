"""The metrics of `GET /metrics`: one table, a metric an entry.

In: a snapshot. Out: for each metric, its samples. Rule of the file: name, type, help, labels and where the figure comes from stand together,
and docs/operations.md says the same; labels are ids of rules and words of our own, never anything from an event.
"""

from collections.abc import Callable, Iterator, Mapping
from math import nan
from typing import Final, Literal, NamedTuple

from engine.event import BLOCKED, DUPLICATE, STATUSES
from engine.operations.snapshot import AggregationFigures, DurationFigures, FilterFigures, Snapshot, SourceFigures
from engine.operations.statistics import cache_hit_ratio, events_processed, not_acted_on, utilization_percent

Labels = tuple[str, ...]
Samples = Mapping[Labels, float]


class Metric(NamedTuple):
    """A counter, which is one whose name ends in `_total`, or a gauge. `read` gives its value for each combination of the values of `labels`."""

    name: str
    help: str
    labels: Labels
    read: Callable[[Snapshot], Samples]

    @property
    def kind(self) -> Literal["counter", "gauge"]:
        """Its type in Prometheus."""
        return "counter" if self.name.endswith("_total") else "gauge"


class Histogram(NamedTuple):
    """Durations in seconds, for each value of its one label, or without any."""

    name: str
    help: str
    labels: Labels
    read: Callable[[Snapshot], Mapping[Labels, DurationFigures]]

    @property
    def kind(self) -> Literal["histogram"]:
        """Its type in Prometheus."""
        return "histogram"


def metrics() -> Iterator[Metric | Histogram]:
    """All of them, in the order they are shown."""
    yield from _MISSION
    yield from _EVENTS
    yield from _QUEUE
    yield from _KEPT
    yield from _ENGINE
    yield from _FILTERS
    yield from _SHADOW
    yield from _AGGREGATIONS
    yield from _SOURCES
    yield from _PROCESS


def _one(name: str, help: str, read: Callable[[Snapshot], float]) -> Metric:
    return Metric(name, help, (), lambda snapshot: {(): read(snapshot)})


def _counter(field: str, help: str, *, name: str = "") -> Metric:
    """One of `Counters`."""
    return _one(name or f"rulemill_{field}_total", help, lambda snapshot: snapshot.counters[field])


def _by_filter(name: str, help: str, read: Callable[[FilterFigures], float]) -> Metric:
    return Metric(name, help, ("filter",), lambda snapshot: {(rule,): read(found) for rule, found in snapshot.filters.items()})


def _by_aggregation(name: str, help: str, read: Callable[[AggregationFigures], float]) -> Metric:
    return Metric(
        name, help, ("aggregation",), lambda snapshot: {(rule,): read(found) for rule, found in snapshot.aggregations.items()}
    )


def _by_source(name: str, help: str, read: Callable[[SourceFigures], float]) -> Metric:
    return Metric(name, help, ("source",), lambda snapshot: {(name,): read(found) for name, found in snapshot.sources.items()})


def _of_process(name: str, help: str) -> Metric:
    return Metric(name, help, (), lambda snapshot: {(): snapshot.process[name]} if name in snapshot.process else {})


def _of_shadow(name: str, help: str, figure: str) -> Metric:
    return Metric(name, help, (), lambda snapshot: {(): snapshot.shadow[figure]} if figure in snapshot.shadow else {})


def _kept(name: str, help: str, figure: str) -> Metric:
    return Metric(name, help, (), lambda snapshot: {(): snapshot.kept[figure]} if figure in snapshot.kept else {})


def _ratio(snapshot: Snapshot) -> float:
    ratio = cache_hit_ratio(snapshot)
    return nan if ratio is None else ratio


_LOOKUPS: Final = {
    "hits_local": "hit_local",
    "hits_shared": "hit_shared",
    "fetched": "fetched",
    "negative": "negative",
    "defaults": "default",
    "stale": "stale",
    "timeouts": "timeout",
    "breaker_open": "breaker_open",
}


def _lookups(snapshot: Snapshot) -> Samples:
    return {
        (name, result): source.counts[field] for name, source in snapshot.sources.items() for field, result in _LOOKUPS.items()
    }


def _breakers(snapshot: Snapshot) -> Samples:
    states = ("closed", "half_open", "open")
    return {(name, state): float(source.breaker == state) for name, source in snapshot.sources.items() for state in states}


_MODES: Final = ("enforce", "shadow", "off")


def _last_matches(snapshot: Snapshot) -> Samples:
    times_ms = {name: rule.last_match_ms for name, rule in snapshot.filters.items()}
    return {(name,): time_ms / 1000 for name, time_ms in times_ms.items() if time_ms is not None}


_MISSION: Final = (
    _one(
        "events_processed_total", "Events that have ended for good: accepted, duplicate, blocked or rejected.", events_processed
    ),
    _counter("events_enriched", "Events that were looked up in at least one enrichment source.", name="events_enriched_total"),
    _one("events_filtered_total", "Events that a filter, or a rule on late events, ended.", lambda s: s.ledger[BLOCKED]),
    _one("events_deduplicated_total", "Events that were copies of others.", lambda s: s.ledger[DUPLICATE]),
    Histogram(
        "processing_duration_seconds",
        "From taking a submission until its last event has ended; each event counts with the time of its submission.",
        (),
        lambda snapshot: {(): snapshot.durations},
    ),
    _one(
        "enrichment_cache_hit_ratio", "The share of look-ups that were answered from what is kept; NaN before the first.", _ratio
    ),
    _one("worker_utilization_percent", "How much of the last minute the workers were computing.", utilization_percent),
)

_EVENTS: Final = (
    _one("rulemill_events_received_total", "Events taken in.", lambda s: s.ledger["received"]),
    Metric(
        "rulemill_events_ended_total",
        "Events by how they ended; with those in flight they are the events received.",
        ("outcome",),
        lambda snapshot: {(outcome,): snapshot.ledger[outcome] for outcome in STATUSES},
    ),
    _one("rulemill_events_in_flight", "Events taken in that have not ended.", lambda s: s.ledger["in_flight"]),
    _counter(
        "published_records", "Records handed to the egress, copies for routes included.", name="rulemill_records_published_total"
    ),
    Metric(
        "rulemill_route_events_total",
        "Events published that name the route.",
        ("route",),
        lambda snapshot: {(route,): count for route, count in snapshot.routes.items()},
    ),
    _counter("refused_records", "Records that the egress refused for good.", name="rulemill_records_refused_total"),
    _counter("dead_letters", "Dead letters written by the engine."),
    _counter("late_events", "New events that came after a later one of their key had gone on, blocked ones too."),
    _counter("late_dropped", "Late events that the rules dropped.", name="rulemill_late_events_dropped_total"),
    _counter("joined_copies", "Copies that came while the event they are copies of was in flight."),
    _counter("conflicts", "Copies whose content differs from that of the event they are copies of."),
    _counter("poison_events", "Events given up because every worker that held them died."),
    _counter("derive_errors", "Events for which derived fields raised an error."),
    _counter("encode_errors", "Events that could not be encoded; they became dead letters."),
)

_QUEUE: Final = (
    _one("rulemill_inbox_events", "Events that wait in the inbox.", lambda s: s.queue.events),
    _one("rulemill_inbox_max_events", "How many events may wait in the inbox.", lambda s: s.queue.max_events),
    _one("rulemill_inbox_bytes", "Bytes that wait in the inbox.", lambda s: s.queue.size_bytes),
    _one("rulemill_inbox_max_bytes", "How many bytes may wait in the inbox.", lambda s: s.queue.max_bytes),
    _one("rulemill_held_events", "Events held for earlier ones of their key.", lambda s: s.queue.held),
    _one("rulemill_held_max_events", "How many events may be held.", lambda s: s.queue.max_held),
    _one(
        "rulemill_held_bytes",
        "Bytes that held events came in as; as many may be held as may wait in the inbox.",
        lambda s: s.queue.held_bytes,
    ),
    _one(
        "rulemill_held_left_early_total",
        "Events that went on before their time because too many were held.",
        lambda s: s.queue.held_early,
    ),
    _one(
        "rulemill_deferred_events",
        "Events published while the store was away that are still to be claimed and counted.",
        lambda s: s.queue.deferred,
    ),
    _one(
        "rulemill_deferred_bytes",
        "Bytes that deferred events came in as; as many may be deferred as may wait in the inbox.",
        lambda s: s.queue.deferred_bytes,
    ),
    _one("rulemill_deferred_max_events", "How many events may be deferred.", lambda s: s.queue.max_deferred),
    _one(
        "rulemill_returned_events",
        "Events answered as received that wait to go through the stages again.",
        lambda s: s.queue.returned,
    ),
    _one(
        "rulemill_waiting_copies", "Copies that wait for the event in flight that they are copies of.", lambda s: s.queue.copies
    ),
    _one("rulemill_waiting_max_copies", "How many copies may wait.", lambda s: s.queue.max_copies),
    _one(
        "rulemill_recent_keys", "Committed events whose copies are known without asking the store.", lambda s: s.queue.recent_keys
    ),
    _one("rulemill_tracked_keys", "Keys whose last event's time is known, to tell late ones.", lambda s: s.queue.tracked_keys),
)

_KEPT: Final = (
    _kept("rulemill_connections", "Connections that are open.", "connections"),
    _kept("rulemill_max_connections", "How many connections may be open.", "max_connections"),
    _kept("rulemill_body_bytes", "Bytes of bodies that are being read.", "body_bytes"),
    _kept("rulemill_body_max_bytes", "How many bytes all bodies that are being read may have.", "body_max_bytes"),
    _kept(
        "rulemill_remembered_texts",
        "Answers of tests of texts that the rules in service, and any in their shadow, remember.",
        "remembered_texts",
    ),
    _kept("rulemill_remembered_max_texts", "How many answers all these tests may remember.", "remembered_max_texts"),
    _kept(
        "rulemill_shared_waiting_answers", "Answers of sources that wait to be shared; absent where none are.", "shared_waiting"
    ),
    _kept("rulemill_shared_max_waiting_answers", "How many answers may wait to be shared.", "shared_max_waiting"),
    _kept("rulemill_memory_claims", "Claims that the store in memory keeps; absent with another store.", "memory_claims"),
    _kept("rulemill_memory_max_claims", "How many claims the store in memory may keep.", "memory_max_claims"),
)

_ENGINE: Final = (
    Metric(
        "rulemill_build_info",
        "Always 1; the labels say which version runs, and which rulesets.",
        ("version", "ruleset"),
        lambda snapshot: {(snapshot.version, ruleset): 1 for ruleset in snapshot.rulesets},
    ),
    _one("rulemill_workers", "Worker processes that run.", lambda s: s.workers),
    _one("rulemill_workers_wanted", "Worker processes that there are to be.", lambda s: s.workers_wanted),
    _one(
        "rulemill_worker_deaths_total",
        "Worker processes that ended though nobody had told them to; each is replaced.",
        lambda s: s.worker_deaths,
    ),
    _one("rulemill_store_up", "1 where the state store answers every worker, 0 where not.", lambda s: not s.store.down),
    _one("rulemill_egress_up", "1 where the egress takes records of every worker, 0 where not.", lambda s: not s.egress.down),
    _one(
        "rulemill_rules_last_reload_successful",
        "1 where the last attempt to load rules put them into service, 0 where the rules before it go on.",
        lambda s: s.rules_load.successful,
    ),
    _one(
        "rulemill_rules_last_reload_timestamp_seconds",
        "When the last attempt to load rules was.",
        lambda s: s.rules_load.at_ms / 1000,
    ),
    _counter("batches", "Batches committed."),
    _counter("commits", "Commits, of one batch or more."),
    _counter("takeovers", "Claims taken over from owners that had gone."),
    _counter("owners_retired", "Owners that lost their lease."),
    _counter("lost_writes", "Acknowledged writes that the store has lost."),
    _one(
        "rulemill_claims_forgotten_total",
        "Claims that the store in memory gave up before their time, to stay within its bound.",
        lambda s: s.claims_forgotten,
    ),
    _counter(
        "degraded_events",
        "Events that went out while the store was away, to be claimed later.",
        name="rulemill_unclaimed_events_total",
    ),
    _counter(
        "degraded_duplicates",
        "Events that went out while the store was away and proved to be copies.",
        name="rulemill_unclaimed_duplicates_total",
    ),
)

_FILTERS: Final = (
    _by_filter("rulemill_filter_evaluated_total", "Events the filter has looked at.", lambda f: f.counts["evaluated"]),
    _by_filter("rulemill_filter_matched_total", "Events its condition was true for.", lambda f: f.counts["matched"]),
    _by_filter(
        "rulemill_filter_unknown_total",
        "Events its condition was neither true nor false for.",
        lambda f: f.counts["unknown"],
    ),
    _by_filter(
        "rulemill_filter_wrong_type_total",
        "Events its condition was unknown for because a value had the wrong type.",
        lambda f: f.counts["wrong_type"],
    ),
    _by_filter(
        "rulemill_filter_would_have_matched_total",
        "Events it matched without acting, in shadow or outside its rollout.",
        not_acted_on,
    ),
    Metric(
        "rulemill_filter_mode",
        "1 for the mode that the filter is in.",
        ("filter", "mode"),
        lambda snapshot: {(name, mode): float(rule.mode == mode) for name, rule in snapshot.filters.items() for mode in _MODES},
    ),
    _by_filter("rulemill_filter_errors_total", "Errors of its condition or its actions.", lambda f: f.counts["errors"]),
    Metric(
        "rulemill_filter_last_match_timestamp_seconds",
        "The time of the last event that matched; absent before the first.",
        ("filter",),
        _last_matches,
    ),
)

_SHADOW: Final = (
    _of_shadow("rulemill_shadow_events_total", "Events that the shadow rules have judged; absent without such rules.", "events"),
    _of_shadow(
        "rulemill_shadow_differing_events_total", "Events that they decide otherwise than the rules in service.", "differing"
    ),
    Metric(
        "rulemill_shadow_differences_total",
        "What is otherwise about those events.",
        ("kind",),
        lambda snapshot: {
            (name.partition(".")[2],): count for name, count in snapshot.shadow.items() if name.startswith("difference.")
        },
    ),
    _of_shadow(
        "rulemill_shadow_errors_total", "Batches that the shadow rules raised on; the events went on without them.", "errors"
    ),
)

_AGGREGATIONS: Final = (
    _by_aggregation("rulemill_aggregation_events_total", "Events counted in.", lambda a: a.counts["events"]),
    _by_aggregation("rulemill_aggregation_late_total", "Events whose window had closed.", lambda a: a.counts["late"]),
    _by_aggregation("rulemill_aggregation_unkeyed_total", "Events without a key, not counted in.", lambda a: a.counts["unkeyed"]),
    _by_aggregation(
        "rulemill_aggregation_overflow_total", "Events of keys beyond `max_keys`, not counted in.", lambda a: a.counts["overflow"]
    ),
    _by_aggregation("rulemill_aggregation_errors_total", "Events that a measure raised for.", lambda a: a.counts["errors"]),
    _by_aggregation(
        "rulemill_aggregation_evicted_groups_total", "Groups that left memory for the store.", lambda a: a.counts["evicted"]
    ),
    _by_aggregation(
        "rulemill_aggregation_emitted_windows_total",
        "Closed windows that were published, each revision.",
        lambda a: a.counts["emitted"],
    ),
    _by_aggregation("rulemill_aggregation_groups", "Groups in memory.", lambda a: a.counts["groups"]),
    _by_aggregation("rulemill_aggregation_keys", "Keys that have groups in memory.", lambda a: a.counts["keys"]),
    _by_aggregation("rulemill_aggregation_max_keys", "How many keys may have groups in memory.", lambda a: a.max_keys),
)

_SOURCES: Final = (
    Metric("rulemill_source_lookups_total", "Look-ups by how they ended.", ("source", "result"), _lookups),
    _by_source("rulemill_source_requests_total", "Requests to the places behind the caches.", lambda s: s.counts["fetches"]),
    _by_source(
        "rulemill_source_errors_total", "Requests to the places behind the caches that failed.", lambda s: s.counts["errors"]
    ),
    _by_source("rulemill_source_refreshes_total", "Answers asked for again ahead of their end.", lambda s: s.counts["refreshes"]),
    _by_source(
        "rulemill_source_shared_skipped_total",
        "Keys that were not looked for in the shared cache, because it did not answer in time or is left alone.",
        lambda s: s.counts["shared_skipped"],
    ),
    _by_source(
        "rulemill_source_shared_unwritten_total",
        "Answers that were not put into the shared cache: too large, too many at once, or it did not answer.",
        lambda s: s.counts["shared_unwritten"],
    ),
    Histogram(
        "rulemill_source_request_duration_seconds",
        "How long requests to the places behind the caches took.",
        ("source",),
        lambda snapshot: {(name,): source.latency for name, source in snapshot.sources.items()},
    ),
    Metric("rulemill_source_breaker", "1 for the state that the breaker is in.", ("source", "state"), _breakers),
    _by_source("rulemill_source_waiting_keys", "Keys that are asked for, or wait for their turn.", lambda s: s.waiting),
    _by_source("rulemill_source_max_waiting_keys", "How many keys may be asked for or wait.", lambda s: s.max_waiting),
    _by_source("rulemill_source_cache_entries", "Answers that are kept.", lambda s: s.entries),
    _by_source("rulemill_source_cache_max_entries", "How many answers the cache may keep.", lambda s: s.max_entries),
)


_PROCESS: Final = (
    _one("process_start_time_seconds", "When the first worker started.", lambda s: s.started_ms / 1000),
    _of_process("process_cpu_seconds_total", "Processor time used by the workers."),
    _of_process("process_resident_memory_bytes", "Memory of the workers that is in use."),
    _of_process("process_virtual_memory_bytes", "Address space of the workers."),
    _of_process("process_open_fds", "Open files and connections."),
    _of_process("process_max_fds", "How many files and connections may be open."),
)
