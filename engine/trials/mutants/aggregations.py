"""Mutants of aggregations: what they count, by which key, over which window, and how.

Rule of the file: only what a test can see in the values of a window, or in the route of a late event.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal

from engine.rules.durations import as_duration
from engine.rules.model import Aggregation, All, Measure, Not, Ruleset
from engine.rules.places import Span
from engine.trials.mutants.conditions import Siblings, variants
from engine.trials.mutants.mutant import Mutant

_OTHER_KIND: Final = {"sum": "avg", "avg": "sum", "min": "max", "max": "min", "first": "last", "last": "first"}
_NEVER: Final = Not(All(()))
_Change = tuple[Aggregation, Span, str, str]


def aggregation_mutants(ruleset: Ruleset, siblings: Siblings) -> Iterator[Mutant]:
    """Mutants of all aggregations."""
    for rule in ruleset.aggregations.values():
        for changed, span, change, hint in (*_conditions(rule, siblings), *_windows(rule), *_measures(rule, siblings)):
            aggregations = {**ruleset.aggregations, rule.id: changed}
            yield Mutant(f"aggregations.{rule.id}", span, change, hint, replace(ruleset, aggregations=aggregations))


def _conditions(rule: Aggregation, siblings: Siblings) -> Iterator[_Change]:
    for variant in variants(rule.when, siblings) if rule.when is not None else ():
        yield replace(rule, when=variant.condition), variant.span, variant.change, f"{variant.hint}, and what is counted"
    blocked: Literal["exclude", "include"] = "include" if rule.blocked == "exclude" else "exclude"
    hint = "an event that a filter blocks, and what is counted"
    yield replace(rule, blocked=blocked), rule.span, f"`blocked` is `{blocked}`", hint


def _windows(rule: Aggregation) -> Iterator[_Change]:
    step_ms = rule.every_ms if rule.every_ms < rule.size_ms else rule.size_ms // 2
    for size_ms in (rule.size_ms - step_ms, rule.size_ms + (step_ms if rule.every_ms < rule.size_ms else rule.size_ms)):
        if size_ms > 0:
            every_ms = rule.every_ms if rule.every_ms < rule.size_ms else size_ms
            hint = f"events `{as_duration(min(size_ms, rule.size_ms))}` and more apart, with what each window counts"
            yield (
                replace(rule, size_ms=size_ms, every_ms=every_ms),
                rule.span,
                f"the window is `{as_duration(size_ms)}` long",
                hint,
            )
    for at, (name, path) in enumerate(rule.key if len(rule.key) > 1 else ()):
        hint = f"two events that differ in `{path.text}` alone"
        yield replace(rule, key=rule.key[:at] + rule.key[at + 1 :]), rule.span, f"the key is without `{name}`", hint
    if rule.late_route is not None:
        yield replace(rule, late_route=None), rule.span, f"late events have no route `{rule.late_route}`", "a late event"
        for allow_ms in {rule.allow_late_ms // 2, rule.allow_late_ms * 2} - {rule.allow_late_ms}:
            hint = f"events that are late by less and by more than `{as_duration(rule.allow_late_ms)}`, with an expectation of `routes`"
            yield replace(rule, allow_late_ms=allow_ms), rule.span, f"late events are counted for `{as_duration(allow_ms)}`", hint


def _measures(rule: Aggregation, siblings: Siblings) -> Iterator[_Change]:
    for at, measure in enumerate(rule.measures):
        for changed, span, change, hint in _changed_measures(measure, rule, siblings):
            measures = (*rule.measures[:at], changed, *rule.measures[at + 1 :])
            yield replace(rule, measures=measures), span, f"`{measure.name}`: {change}", hint


def _changed_measures(measure: Measure, rule: Aggregation, siblings: Siblings) -> Iterator[tuple[Measure, Span, str, str]]:
    span, figure = measure.span, f"a window's `{measure.name}`"
    if measure.kind == "count":
        if measure.condition is None:
            yield replace(measure, condition=_NEVER), span, "counts nothing", figure
        else:
            for variant in variants(measure.condition, siblings):
                hint = f"{variant.hint}, and {figure}"
                yield replace(measure, condition=variant.condition), variant.span, variant.change, hint
    elif measure.kind in _OTHER_KIND:
        kind = _OTHER_KIND[measure.kind]
        yield replace(measure, kind=kind), span, f"`{measure.kind}` is `{kind}`", f"{figure} over two events of different values"
    elif measure.kind == "distinct":
        changed = replace(measure, kind="count", field=None, exact=False)
        yield changed, span, "`distinct` is `count`", f"{figure} over two events of the same value"
    elif measure.kind == "quantile" and measure.q is not None:
        q = 1 - measure.q if measure.q != 0.5 else 0.9
        yield replace(measure, q=q), span, f"`q` is {q:g}", f"{figure} over several events of different values"
    elif measure.kind == "top" and measure.n is not None:
        yield replace(measure, n=measure.n + 1), span, f"`n` is {measure.n + 1}", f"{figure} over {measure.n + 1} values"
    elif measure.of is not None:
        first, second = measure.of
        hint = f"{figure} where `{first}` and `{second}` differ"
        yield replace(measure, of=(second, first)), span, f"`{first}` and `{second}` change places", hint
    yield from _other_field(measure, rule)


def _other_field(measure: Measure, rule: Aggregation) -> Iterator[tuple[Measure, Span, str, str]]:
    if measure.field is not None:
        others = [other.field for other in rule.measures if other.field not in {None, measure.field}]
        if others and others[0] is not None:
            hint = f"a window's `{measure.name}` over an event whose `{measure.field.text}` and `{others[0].text}` differ"
            yield replace(measure, field=others[0]), measure.span, f"reads `{others[0].text}`", hint
