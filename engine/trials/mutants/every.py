"""All mutants of a ruleset, family by family.

Rule of the file: no mutant means the same as the ruleset, and no two the same as each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields

from engine.rules.event_fields import EventFields
from engine.rules.model import Path, Ruleset
from engine.rules.uses import meaning
from engine.trials.mutants.aggregations import aggregation_mutants
from engine.trials.mutants.conditions import Siblings
from engine.trials.mutants.enrichment import derived_mutants
from engine.trials.mutants.filters import filter_mutants
from engine.trials.mutants.intake import intake_mutants
from engine.trials.mutants.mutant import Mutant
from engine.trials.mutants.named import named_mutants

_SECTIONS = tuple(field.name for field in fields(Ruleset))


def all_mutants(ruleset: Ruleset) -> Iterator[Mutant]:
    """Each mutant once, section by section."""
    siblings = _siblings(ruleset)
    seen: set[object] = {()}
    for mutant in (
        *intake_mutants(ruleset),
        *derived_mutants(ruleset),
        *named_mutants(ruleset, siblings),
        *filter_mutants(ruleset, siblings),
        *aggregation_mutants(ruleset, siblings),
    ):
        said = _said_otherwise(mutant.ruleset, ruleset)
        if said not in seen:
            seen.add(said)
            yield mutant


def _said_otherwise(mutated: Ruleset, ruleset: Ruleset) -> object:
    """The meaning of the sections that are another's; nothing where they mean the same."""
    changed = [name for name in _SECTIONS if getattr(mutated, name) is not getattr(ruleset, name)]
    meanings = {name: meaning(getattr(mutated, name)) for name in changed}
    return tuple((name, said) for name, said in meanings.items() if said != meaning(getattr(ruleset, name)))


def _siblings(ruleset: Ruleset) -> Siblings:
    known = EventFields(ruleset)

    def siblings(path: Path) -> Sequence[object]:
        if path.steps == ruleset.events.type.steps:
            return tuple(ruleset.events.types)
        return [value for fact in known.facts(path, None) for value in fact.values or ()]

    return siblings
