"""Which aggregations count an event, in which group and windows, said as plainly as possible.

In: an event as the filters left it. Out: for each aggregation whether it counts it, and why not. Rule of the file: the meaning
of the generated code and none of it. Lateness is not looked at: it depends on what else has come in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.rules.interpreter import Explanation, explain
from engine.rules.keys import key_part, key_text
from engine.rules.model import Aggregation, Ruleset
from engine.rules.values import event_steps, follow
from engine.rules.verdicts import Verdict
from engine.rules.windows import pane_start, window_starts


@dataclass(frozen=True, slots=True)
class Tally:
    """One aggregation and one event.

    `reason` says why it does not count the event, empty where it does; then `windows` are the starts and ends, in epoch
    milliseconds, of those that the event falls into, and `measures` tells of the measures that have a condition.
    """

    rule: Aggregation
    reason: str = ""
    when: Explanation | None = None
    key: str = ""
    windows: tuple[tuple[int, int], ...] = ()
    measures: Mapping[str, Explanation] = field(default_factory=dict)


def tallies(ruleset: Ruleset, verdict: Verdict, time_ms: int) -> list[Tally]:
    """What each aggregation makes of an event with this verdict and this time."""
    return [_tally(rule, ruleset, verdict, time_ms) for rule in ruleset.aggregations.values()]


def _tally(rule: Aggregation, ruleset: Ruleset, verdict: Verdict, time_ms: int) -> Tally:
    if verdict.blocked is not None and rule.blocked == "exclude":
        return Tally(rule, f"blocked by `{verdict.blocked[0]}`")
    when = None if rule.when is None else explain(rule.when, verdict.data, time_ms, ruleset)
    if when is not None and not when.result:
        return Tally(rule, "its condition is " + ("unknown" if when.result is None else "false"), when)
    values = [follow(verdict.data, event_steps(path, ruleset.enrichment.sources)) for _, path in rule.key]
    parts = [key_part(value) for value in values]
    for (_, path), part in zip(rule.key, parts, strict=True):
        if part is None:
            return Tally(rule, f"`{path.text}`, a part of its key, is missing or no single value", when)
    key = key_text([name for name, _ in rule.key], tuple(parts))
    starts = window_starts([pane_start(time_ms, rule.every_ms)], rule.size_ms, rule.every_ms)
    measures = {
        measure.name: explain(measure.condition, verdict.data, time_ms, ruleset)
        for measure in rule.measures
        if measure.condition is not None
    }
    return Tally(rule, "", when, key, tuple((start, start + rule.size_ms) for start in starts), measures)
