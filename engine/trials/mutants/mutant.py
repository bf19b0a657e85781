"""A mutant: the ruleset with one thing in it changed.

Rule of the file: plain frozen values. A mutant is a ruleset like any other; whoever finds it alive tells its place, its change and its hint.
"""

from dataclasses import dataclass

from engine.rules.model import Condition, Ruleset
from engine.rules.places import Span


@dataclass(frozen=True, slots=True)
class Mutant:
    """`rule_id` is section and id, `change` says what is other than written, `hint` which event or step would show it."""

    rule_id: str
    span: Span
    change: str
    hint: str
    ruleset: Ruleset


@dataclass(frozen=True, slots=True)
class Variant:
    """A condition with one thing in it changed; the place is that of what was changed."""

    condition: Condition
    span: Span
    change: str
    hint: str
