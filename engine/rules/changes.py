"""What a change of rules changes: which filters and sources are others, and which aggregations keep their state.

In: two rulesets, or their plans. Out: names, by what becomes of them. Rule of the file: only what a rule means is compared, so that moving it,
describing it or renaming what it refers to changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.rules.model import Ruleset
from engine.rules.normalise import normalise
from engine.rules.plan import Plan
from engine.rules.uses import meaning


@dataclass(frozen=True, slots=True)
class Difference:
    """Names that came, went, or stayed with another meaning, or with the same."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The way from one plan to another. An aggregation is `changed` where its state begins anew, and `same` where it is kept."""

    filters: Difference
    aggregations: Difference
    sources: Difference
    deduplication: Difference


def changes(old: Plan, new: Plan) -> Changes:
    """What becomes of the parts of a plan when another takes its place."""
    return Changes(
        _difference(_filters(old.ruleset), _filters(new.ruleset)),
        _difference(_states(old), _states(new)),
        _difference(_sources(old.ruleset), _sources(new.ruleset)),
        _difference(_meanings(old.ruleset.deduplication), _meanings(new.ruleset.deduplication)),
    )


def same_filters(old: Plan, new: Plan) -> list[tuple[int, int]]:
    """The filters that mean the same in both, by their place in each."""
    before, after = _filters(old.ruleset), _filters(new.ruleset)
    places = {name: place for place, name in enumerate(before)}
    return [(places[name], place) for place, name in enumerate(after) if name in before and before[name] == after[name]]


def _sources(ruleset: Ruleset) -> dict[str, object]:
    """What each enrichment source is, by its name, in a form that can be compared.

    The directory of its rule file belongs to it: paths of files are relative to that.
    """
    return {
        name: (meaning(source), tuple(Path(spec.span.file).parent for spec in source.chain))
        for name, source in ruleset.enrichment.sources.items()
    }


def _filters(ruleset: Ruleset) -> dict[str, object]:
    """The filters by id, in the order they run."""
    return {
        rule.id: (meaning(normalise(rule.when, ruleset)), meaning((rule.actions, rule.mode, rule.rollout)))
        for rule in ruleset.filters
    }


def _states(plan: Plan) -> dict[str, object]:
    return {name: aggregation.state_id for name, aggregation in plan.aggregations.items()}


def _meanings(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: meaning(part) for name, part in parts.items()}


def _difference(old: Mapping[str, object], new: Mapping[str, object]) -> Difference:
    return Difference(
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in new if name in old and new[name] != old[name]),
        tuple(name for name in new if name in old and new[name] == old[name]),
    )
