"""Mutants of named conditions and lists that rules at work use.

Rule of the file: what nothing uses has no mutants; the validator warns of it.
"""

from collections.abc import Iterator
from dataclasses import replace

from engine.rules.coverage import at_work
from engine.rules.explanations import value_text
from engine.rules.model import Ruleset, Test
from engine.rules.uses import leaves, lists_of
from engine.trials.mutants.conditions import Siblings, variants
from engine.trials.mutants.leaves import member_hint
from engine.trials.mutants.mutant import Mutant


def named_mutants(ruleset: Ruleset, siblings: Siblings) -> Iterator[Mutant]:
    """Mutants of all named conditions, and all lists with a member left out."""
    names = {f"conditions.{name}": name for name in ruleset.conditions}
    for owned in at_work(ruleset):
        if owned.rule_id in names:
            for variant in variants(owned.condition, siblings):
                conditions = {**ruleset.conditions, names[owned.rule_id]: variant.condition}
                changed = replace(ruleset, conditions=conditions)
                yield Mutant(owned.rule_id, variant.span, variant.change, variant.hint, changed)
    yield from _lists(ruleset)


def _lists(ruleset: Ruleset) -> Iterator[Mutant]:
    used = {ref.name: ref.span for owned in at_work(ruleset) for ref, _ in lists_of(owned.condition)}
    fields = _fields(ruleset)
    for name, span in used.items():
        members = ruleset.lists[name]
        for at, member in enumerate(members if len(members) > 1 else ()):
            changed = replace(ruleset, lists={**ruleset.lists, name: members[:at] + members[at + 1 :]})
            change = f"the list `{name}` is without {value_text(member)}"
            yield Mutant(f"lists.{name}", span, change, member_hint(fields[name], member), changed)


def _fields(ruleset: Ruleset) -> dict[str, str]:
    """For each list a field that is compared with it."""
    tests = [leaf.item for owned in at_work(ruleset) for leaf in leaves(owned.condition) if isinstance(leaf.item, Test)]
    refs = [(test, ref) for test in tests for ref, _ in lists_of(test)]
    return {ref.name: test.path.text for test, ref in refs}
