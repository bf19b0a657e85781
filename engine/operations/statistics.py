"""Statistics as HTTP shows them.

In: a snapshot, of one worker or of all. Out: JSON objects. Rule of the file: everything is computed from the snapshot; a share of nothing
and a time that never was are null.
"""

from typing import Final

from engine.event import ACCEPTED, BLOCKED, DUPLICATE, REJECTED, JsonObject
from engine.metrics import Durations
from engine.operations.snapshot import AggregationFigures, DurationFigures, FilterFigures, SeamFigures, Snapshot, SourceFigures
from engine.rules.times import format_time

_SHARE_DIGITS: Final = 4
_MS_DIGITS: Final = 3


def status(snapshot: Snapshot) -> JsonObject:
    """`GET /processor/status`: how the engine and its parts are."""
    reasons = _reasons(snapshot)
    return {
        "status": "stopping" if snapshot.stopping else "degraded" if reasons else "ok",
        "reasons": reasons,
        "version": snapshot.version,
        "started_at": format_time(snapshot.started_ms),
        "uptime_seconds": _uptime_s(snapshot),
        "ruleset": snapshot.ruleset,
        "rules_load": {"successful": bool(snapshot.rules_load.successful), "at": format_time(snapshot.rules_load.at_ms)},
        "workers": {**_workers(snapshot), **_each_worker(snapshot)},
        "queue": _queue(snapshot),
        "ledger": snapshot.ledger,
        "store": _seam(snapshot.store),
        "egress": _seam(snapshot.egress),
        "sources": {
            name: {"breaker": source.breaker, "cache_entries": source.entries, "problem": source.problem}
            for name, source in snapshot.sources.items()
        },
    }


def processor_metrics(snapshot: Snapshot) -> JsonObject:
    """`GET /metrics/processor`: what was done, how fast, and what waits."""
    return {
        "ruleset": snapshot.ruleset,
        "uptime_seconds": _uptime_s(snapshot),
        "events": {
            "processed": events_processed(snapshot),
            "enriched": snapshot.counters["events_enriched"],
            "filtered": snapshot.ledger[BLOCKED],
            "deduplicated": snapshot.ledger[DUPLICATE],
        },
        "ledger": snapshot.ledger,
        "latency_ms": _latency_ms(snapshot.durations),
        "events_per_second": round(snapshot.events_per_second, 1),
        "workers": _workers(snapshot),
        "queue": _queue(snapshot),
        "enrichment_cache_hit_ratio": rounded(cache_hit_ratio(snapshot)),
        "routes": snapshot.routes,
        "counters": snapshot.counters,
    }


def enrichment(snapshot: Snapshot) -> JsonObject:
    """`GET /processor/enrichment`: per source, what became of its look-ups."""
    return {
        "ruleset": snapshot.ruleset,
        "events_enriched": snapshot.counters["events_enriched"],
        "cache_hit_ratio": rounded(cache_hit_ratio(snapshot)),
        "sources": {name: _source(source) for name, source in snapshot.sources.items()},
    }


def filters(snapshot: Snapshot) -> JsonObject:
    """`GET /processor/filters`: per filter, in the order they run, what it saw and did."""
    return {"ruleset": snapshot.ruleset, "filters": {name: _filter(rule) for name, rule in snapshot.filters.items()}}


def aggregations(snapshot: Snapshot) -> JsonObject:
    """`GET /processor/aggregations`: what there is to ask for, and what it has counted."""
    return {
        "ruleset": snapshot.ruleset,
        "aggregations": {name: _aggregation(rule) for name, rule in snapshot.aggregations.items()},
    }


def events_processed(snapshot: Snapshot) -> int:
    """Events that have ended for good: all but those that are to be sent again."""
    return sum(snapshot.ledger[outcome] for outcome in (ACCEPTED, DUPLICATE, BLOCKED, REJECTED))


def cache_hit_ratio(snapshot: Snapshot) -> float | None:
    """The share of look-ups, over all sources, that were answered from what is kept; None without any."""
    return _share(sum(_hits(source) for source in snapshot.sources.values()), _lookups(snapshot))


def utilization_percent(snapshot: Snapshot) -> float:
    """How much of the time the workers were computing, over the last minute: 100 where none of them ever waited."""
    return min(100.0, 100 * snapshot.busy / max(1, snapshot.workers))


def rounded(share: float | None) -> float | None:
    """A share as it is shown."""
    return None if share is None else round(share, _SHARE_DIGITS)


def _reasons(snapshot: Snapshot) -> list[str]:
    """Why the engine is degraded, one line each."""
    reasons = [f"store: {snapshot.store.problem}"] if snapshot.store.down else []
    if snapshot.egress.down:
        reasons.append(f"egress: {snapshot.egress.problem}")
    if snapshot.counters["lost_writes"]:
        reasons.append("store: it has lost acknowledged writes")
    if snapshot.queue.events >= snapshot.queue.max_events:
        reasons.append(f"queue: full, with {snapshot.queue.events} events; senders are told to come again")
    reasons += [
        f"source `{name}`: {_trouble(source)}"
        for name, source in snapshot.sources.items()
        if source.breaker != "closed" or source.problem is not None
    ]
    if len(snapshot.rulesets) > 1:
        reasons.append(f"rules: the workers run {len(snapshot.rulesets)} rulesets: {', '.join(sorted(snapshot.rulesets))}")
    return [*reasons, *snapshot.reasons]


def _trouble(source: SourceFigures) -> str:
    what = "it fails" if source.breaker == "closed" else f"its breaker is {source.breaker.replace('_', ' ')}"
    return what if source.problem is None else f"{what}; {source.problem}"


def _uptime_s(snapshot: Snapshot) -> float:
    return round((snapshot.now_ms - snapshot.started_ms) / 1000, 1)


def _workers(snapshot: Snapshot) -> JsonObject:
    return {
        "running": snapshot.workers,
        "wanted": snapshot.workers_wanted,
        "deaths": snapshot.worker_deaths,
        "utilization_percent": round(utilization_percent(snapshot), 1),
    }


def _each_worker(snapshot: Snapshot) -> JsonObject:
    """By number, where there are several."""
    return {"each": snapshot.each_worker} if snapshot.each_worker else {}


def _queue(snapshot: Snapshot) -> JsonObject:
    queue = snapshot.queue
    return {
        "events": queue.events,
        "max_events": queue.max_events,
        "bytes": queue.size_bytes,
        "max_bytes": queue.max_bytes,
        "held_for_order": queue.held,
        "deferred": queue.deferred,
        "max_deferred": queue.max_deferred,
    }


def _seam(seam: SeamFigures) -> JsonObject:
    return {"kind": seam.kind, "answers": not seam.down, "problem": seam.problem}


def _source(source: SourceFigures) -> JsonObject:
    counts = source.counts
    unanswered = counts["stale"] + counts["timeouts"] + counts["breaker_open"]
    return {
        "from": source.kinds,
        "lookups": counts["lookups"],
        "hits": {"local": counts["hits_local"], "shared": counts["hits_shared"]},
        "misses": counts["lookups"] - _hits(source),
        "fetched": counts["fetched"],
        "negative": counts["negative"],
        "default": counts["defaults"],
        "stale": counts["stale"],
        "timeouts": counts["timeouts"],
        "breaker_open": counts["breaker_open"],
        "hit_ratio": rounded(_share(_hits(source), counts["lookups"])),
        "success_rate": rounded(_share(counts["lookups"] - unanswered, counts["lookups"])),
        "requests": counts["fetches"],
        "errors": counts["errors"],
        "refreshes": counts["refreshes"],
        "shared_skipped": counts["shared_skipped"],
        "shared_unwritten": counts["shared_unwritten"],
        "breaker": source.breaker,
        "cache_entries": source.entries,
        "latency_ms": _latency_ms(source.latency),
    }


def _hits(source: SourceFigures) -> int:
    return source.counts["hits_local"] + source.counts["hits_shared"]


def _lookups(snapshot: Snapshot) -> int:
    return sum(source.counts["lookups"] for source in snapshot.sources.values())


def _filter(rule: FilterFigures) -> JsonObject:
    return {
        "description": rule.description,
        "mode": rule.mode,
        "actions": rule.actions,
        **rule.counts,
        "would_have_matched": not_acted_on(rule),
        "rollout": rule.rollout,
        "samples": [_sample(sample) for sample in rule.samples],
        "match_rate": rounded(_share(rule.counts["matched"], rule.counts["evaluated"])),
        "last_match": None if rule.last_match_ms is None else format_time(rule.last_match_ms),
    }


def _sample(sample: JsonObject) -> JsonObject:
    return {name: value for name, value in sample.items() if name != "time_ms"} | {
        "time": format_time(int(str(sample["time_ms"])))
    }


def not_acted_on(rule: FilterFigures) -> int:
    """How many events it matched without acting: all in mode shadow, else those outside its rollout."""
    return rule.counts["matched"] if rule.mode == "shadow" else rule.counts["held_back"]


def _aggregation(rule: AggregationFigures) -> JsonObject:
    return {
        "description": rule.description,
        "key": rule.key,
        "window": {
            "kind": "tumbling" if rule.size_ms == rule.every_ms else "hopping",
            "size_ms": rule.size_ms,
            "every_ms": rule.every_ms,
        },
        "allow_late_ms": rule.allow_late_ms,
        "retain_ms": rule.retain_ms,
        "measures": rule.measures,
        "live_groups": rule.counts["groups"],
        "live_keys": rule.counts["keys"],
        "max_keys": rule.max_keys,
        **{name: count for name, count in rule.counts.items() if name not in ("groups", "keys")},
    }


def _latency_ms(figures: DurationFigures) -> JsonObject:
    durations, count = Durations(figures.counts, figures.total_s), sum(figures.counts)
    return {
        "count": count,
        "mean": _ms(figures.total_s / count) if count else None,
        **{f"p{q}": _ms(durations.quantile_s(q / 100)) for q in (50, 95, 99)},
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, _MS_DIGITS)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
