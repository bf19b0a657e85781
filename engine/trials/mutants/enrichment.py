"""Mutants of derived fields: an edge one step away, operands that change places, another zone.

Rule of the file: a field that is left out is a mutant too; what sources find is given by tests and has none.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from engine.rules.explanations import value_text
from engine.rules.model import Derived, Extract, FieldRef, Ruleset
from engine.trials.mutants.leaves import step_of
from engine.trials.mutants.mutant import Mutant

_OTHER_ZONE = "Pacific/Kiritimati"


def derived_mutants(ruleset: Ruleset) -> Iterator[Mutant]:
    """Mutants of all derived fields."""
    derived = ruleset.enrichment.derived
    for name, rule in derived.items():
        for changed, change, hint in _changes(rule):
            enrichment = replace(ruleset.enrichment, derived={**derived, name: changed})
            yield Mutant(f"derived.{name}", rule.span, change, hint, replace(ruleset, enrichment=enrichment))


def _changes(rule: Derived) -> Iterator[tuple[Derived, str, str]]:
    shown = f"with an expectation of `derived.{rule.name}`"
    match rule.kind:
        case "bucket":
            yield from _buckets(rule, shown)
        case "difference" | "ratio":
            first, second = rule.args
            yield replace(rule, args=(second, first)), "its operands change places", f"an event where they differ, {shown}"
        case "hour" | "part_of_day":
            path, zone = rule.args
            other = "UTC" if isinstance(zone, FieldRef) else _OTHER_ZONE
            hint = f"an event whose hour is another one in `{other}`, {shown}"
            yield replace(rule, args=(path, other)), f"`timezone` is `{other}`", hint
        case "jmespath":
            yield replace(rule, args=(Extract("`null`"),)), "finds nothing", f"an event in which it finds something, {shown}"


def _buckets(rule: Derived, shown: str) -> Iterator[tuple[Derived, str, str]]:
    path, edges, labels = rule.args
    numbers, words = cast("tuple[float, ...]", edges), cast("tuple[str, ...]", labels)
    for at, edge in enumerate(numbers):
        for step in (step_of(edge), -step_of(edge)):
            moved = round(edge + step, 12)
            hint = f"events at {value_text(edge)} and one step to each side of it, {shown}"
            args = (path, (*numbers[:at], moved, *numbers[at + 1 :]), words)
            yield replace(rule, args=args), f"the edge {value_text(edge)} is {value_text(moved)}", hint
        swapped = (*words[:at], words[at + 1], words[at], *words[at + 2 :])
        hint = f"an event in `{words[at]}` or `{words[at + 1]}`, {shown}"
        yield replace(rule, args=(path, numbers, swapped)), f"`{words[at]}` and `{words[at + 1]}` change places", hint
