"""Mutants of conditions: a clause left out, `all` for `any`, a negation less; and of every test in them.

In: a condition, and what fields can hold. Out: variants of the whole, each with one thing changed. Rule of the file: a named condition is mutated where it
stands, not where it is used.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engine.rules.explanations import test_text
from engine.rules.model import All, AnyOf, Condition, Not, Path, Test, Use
from engine.trials.mutants.leaves import leaf_variants
from engine.trials.mutants.mutant import Variant

Siblings = Callable[[Path], Sequence[object]]
"""The values that the field at a path is known to have; empty where nothing is known."""


def variants(condition: Condition, siblings: Siblings) -> Iterator[Variant]:
    """Every variant of a rule's condition, its always being true included."""
    if not isinstance(condition, All | AnyOf) or len(condition.items) == 1:
        always = All((), condition.span)
        yield Variant(always, condition.span, f"{_text(condition)} is always true", "an event that the rule must leave alone")
    yield from _inside(condition, siblings)


def _inside(condition: Condition, siblings: Siblings) -> Iterator[Variant]:
    match condition:
        case Test():
            yield from leaf_variants(condition, siblings(condition.path))
            yield from _on_elements(condition)
        case Use(name, span):
            hint = f"an event for which it matters whether `{name}` is true"
            yield Variant(Not(condition, span), span, f"`use: {name}` is turned around", hint)
        case Not(item, span):
            yield Variant(item, span, f"`not` before {_text(item)} is gone", f"an event for which {_text(item)} decides")
            for variant in _inside(item, siblings):
                yield replace(variant, condition=Not(variant.condition, span))
        case All() | AnyOf():
            yield from _joint(condition, siblings)


def _on_elements(test: Test) -> Iterator[Variant]:
    """Variants of the condition on elements, whose paths are not those of the event."""
    if isinstance(test.value, Condition):
        for variant in _inside(test.value, lambda _: ()):
            yield replace(variant, condition=replace(test, value=variant.condition))


def _joint(condition: All | AnyOf, siblings: Siblings) -> Iterator[Variant]:
    items = condition.items
    if len(items) > 1:
        yield _swapped(condition)
    for index, item in enumerate(items):
        rest = items[:index] + items[index + 1 :]
        if rest and not (isinstance(condition, All) and _is_implied(item, rest)):
            hint = f"an event for which {_text(item)} alone decides"
            yield Variant(replace(condition, items=rest), item.span, f"{_text(item)} is left out", hint)
        for variant in _inside(item, siblings):
            yield replace(variant, condition=replace(condition, items=(*items[:index], variant.condition, *items[index + 1 :])))


def _swapped(condition: All | AnyOf) -> Variant:
    hint = f"an event for which {_text(condition.items[0])} holds and the rest does not, or the other way"
    if isinstance(condition, All):
        return Variant(AnyOf(condition.items, condition.span), condition.span, "`all` is `any`", hint)
    return Variant(All(condition.items, condition.span), condition.span, "`any` is `all`", hint)


def _is_implied(item: Condition, rest: Sequence[Condition]) -> bool:
    """Whether a clause only asks that a field is there which another one compares: then nothing tells them apart."""
    if not isinstance(item, Test) or (item.operator, item.value) not in {("exists", True), ("is_null", False)}:
        return False
    return any(
        isinstance(other, Test)
        and other.path == item.path
        and other.if_missing is None
        and other.operator not in {"exists", "is_null"}
        for other in rest
    )


def _text(condition: Condition) -> str:
    match condition:
        case Test():
            return test_text(condition)
        case Use(name):
            return f"`use: {name}`"
        case Not(item):
            return f"`not` {_text(item)}"
        case AnyOf():
            return "the `any`"
    return "the `all`"
