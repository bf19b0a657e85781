"""Warnings about aggregations, and about how long copies are recognised beside them.

In: a ruleset without errors. Out: findings. Rule of the file: durations are compared as they are written; which events an aggregation counts, the
reasoner says.
"""

from collections.abc import Mapping
from typing import Final

from engine.rules.diagnostics import Findings, Related
from engine.rules.durations import as_duration
from engine.rules.formulas import ALWAYS
from engine.rules.model import Aggregation, Ruleset
from engine.rules.reasoning import Reasoner
from engine.rules.values import event_steps

_KEEPS_ONE: Final = frozenset(("distinct", "top", "first", "last"))


def lint_aggregations(ruleset: Ruleset, reasoner: Reasoner, findings: Findings) -> None:
    """Warn of windows, keys and measures that cannot do what they are for."""
    _lint_retries(ruleset, findings)
    counting: dict[str, list[Aggregation]] = {}
    for aggregation in ruleset.aggregations.values():
        counted = ALWAYS if aggregation.when is None else reasoner.formula(aggregation.when)
        types = reasoner.types_of(counted)
        with findings.about(f"aggregations.{aggregation.id}"):
            _lint_window(aggregation, ruleset, findings)
            _lint_key(aggregation, types, ruleset, findings)
            _lint_measures(aggregation, ruleset, findings)
        for name in types or ():
            counting.setdefault(name, []).append(aggregation)
    _lint_copies(counting, ruleset, findings)


def _lint_retries(ruleset: Ruleset, findings: Findings) -> None:
    for rule in ruleset.deduplication.values():
        if rule.retries_ms is not None and rule.ttl_ms < rule.retries_ms:
            message = f"copies are known for {as_duration(rule.ttl_ms)}, and sent for {as_duration(rule.retries_ms)}"
            help = f"a copy that comes after `ttl` is taken for a new event: write `ttl: {as_duration(rule.retries_ms)}`"
            with findings.about(f"deduplication.{rule.event_type}"):
                findings.add("W612", message, rule.span, help=help)


def _lint_copies(counting: Mapping[str, list[Aggregation]], ruleset: Ruleset, findings: Findings) -> None:
    """A copy that comes when it is no longer known, while the window of the first is still open, is counted twice."""
    past_ms = ruleset.events.max_past_ms
    for rule in ruleset.deduplication.values():
        if rule.retries_ms is not None or (past_ms is not None and past_ms <= rule.ttl_ms):
            continue  # it is said that none come, or by then they are too old to be taken
        longer = [aggregation for aggregation in counting.get(rule.event_type, ()) if aggregation.size_ms > rule.ttl_ms]
        if longer:
            last = max(longer, key=lambda aggregation: aggregation.size_ms)
            ttl, size = as_duration(rule.ttl_ms), as_duration(last.size_ms)
            message = f"copies of `{rule.event_type}` are known for {ttl}, and `{last.id}` counts over {size}"
            help = f"a later copy is counted again: write `ttl: {size}`, or how long senders go on trying, `retries: {ttl}`"
            related = tuple(Related(f"`{aggregation.id}` counts them", aggregation.span) for aggregation in longer)
            with findings.about(f"deduplication.{rule.event_type}"):
                findings.add("W613", message, rule.span, help=help, related=related)


def _lint_window(aggregation: Aggregation, ruleset: Ruleset, findings: Findings) -> None:
    size, retain = as_duration(aggregation.size_ms), as_duration(aggregation.retain_ms)
    if aggregation.retain_ms < aggregation.size_ms:
        message = f"a window of {size} is gone {retain} after it has closed"
        help = f"whoever asks once for each window comes too late: write `retain: {size}` or more"
        findings.add("W614", message, aggregation.places.get("retain", aggregation.span), help=help)
    past_ms = ruleset.events.max_past_ms
    if past_ms is not None and aggregation.allow_late_ms > past_ms:
        late, past = as_duration(aggregation.allow_late_ms), as_duration(past_ms)
        message = f"windows wait {late} for late events, and none older than {past} is taken"
        help = f"write `allow: {past}`, or a longer `max_skew: {{past: …}}`"
        findings.add("W615", message, aggregation.places.get("late", aggregation.span), help=help)


def _lint_key(aggregation: Aggregation, types: set[str] | None, ruleset: Ruleset, findings: Findings) -> None:
    """A key that has the identity of each event makes as many groups as there are events, while copies are known."""
    sources = ruleset.enrichment.sources
    parts = {event_steps(path, sources) for _, path in aggregation.key}
    rules = [ruleset.deduplication.get(name) for name in types or ()]
    rules = [rule if rule is not None and rule.ttl_ms >= aggregation.size_ms else None for rule in rules]
    if rules and all(rule is not None and {event_steps(path, sources) for path in rule.key} <= parts for rule in rules):
        names = " and ".join(f"`{path.text}`" for path in dict.fromkeys(path for rule in rules if rule for path in rule.key))
        message = f"every event is a group of its own: the key has {names}, by which copies are told"
        help = f"leave it out of the key; as it is, `max_keys: {aggregation.max_keys}` is reached after as many events"
        findings.add("W616", message, aggregation.places.get("key", aggregation.span), help=help)


def _lint_measures(aggregation: Aggregation, ruleset: Ruleset, findings: Findings) -> None:
    sources = ruleset.enrichment.sources
    parts = {event_steps(path, sources): name for name, path in aggregation.key}
    for measure in aggregation.measures:
        name = parts.get(event_steps(measure.field, sources)) if measure.field is not None else None
        if name is not None and measure.kind in _KEEPS_ONE:
            message = f"`{measure.name}` sees one value in each group: `{name}` is part of the key"
            findings.add("W617", message, measure.span, help="measure another field, or leave it out")
