"""Mutants of filters: their conditions, the actions they take, the way they are in service.

Rule of the file: an action that leaves no trace on an event, such as `allow` without a mark, has no mutants.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal, TypeVar

from engine.rules.explanations import action_text
from engine.rules.model import Action, Allow, Block, Filter, Path, Ruleset, SendTo, Transform
from engine.rules.places import NOWHERE, Span
from engine.trials.mutants.conditions import Siblings, variants
from engine.trials.mutants.mutant import Mutant

_EVERYBODY: Final = 100
_NEXT_MODE: Final[dict[str, Literal["hint", "copy", "move"]]] = {"hint": "copy", "copy": "move", "move": "hint"}
_Change = tuple[Filter, Span, str, str]
_Item = TypeVar("_Item")


def filter_mutants(ruleset: Ruleset, siblings: Siblings) -> Iterator[Mutant]:
    """Mutants of all filters that are not off, and of how their routes go together."""
    for index, rule in enumerate(ruleset.filters):
        if rule.mode != "off":
            for changed, span, change, hint in _changes(rule, ruleset, siblings):
                filters = (*ruleset.filters[:index], changed, *ruleset.filters[index + 1 :])
                yield Mutant(f"filters.{rule.id}", span, change, hint, replace(ruleset, filters=filters))
    yield from _routing(ruleset)


def _changes(rule: Filter, ruleset: Ruleset, siblings: Siblings) -> Iterator[_Change]:
    for variant in variants(rule.when, siblings):
        yield replace(rule, when=variant.condition), variant.span, variant.change, variant.hint
    match = f"an event that `{rule.id}` matches"
    if rule.mode == "shadow":
        yield replace(rule, mode="enforce"), rule.span, "`mode: shadow` is gone", f"{match}, and what becomes of it"
        yield replace(rule, mode="off"), rule.span, "the filter is off", f"{match}: `filters: [{rule.id}]`"
        return
    yield replace(rule, mode="off"), rule.span, "the filter is off", match
    if rule.rollout is not None and rule.rollout.percent < _EVERYBODY:
        hint = f"{match} and whose `{rule.rollout.by.text}` is outside the rollout, with what is not done to it"
        yield replace(rule, rollout=None), rule.span, "`rollout` is gone", hint
    for index, action in enumerate(rule.actions):
        rest = (*rule.actions[:index], *rule.actions[index + 1 :])
        if action != Allow():
            expected = f"{match}, with an expectation of `{_shown_in(action)}`"
            yield replace(rule, actions=rest), _span(action, rule), f"{action_text(action)} is left out", expected
        for changed, change, hint in _other_actions(action, ruleset):
            actions = (*rule.actions[:index], changed, *rule.actions[index + 1 :])
            yield replace(rule, actions=actions), _span(action, rule), change, f"{match}, {hint}"


def _shown_in(action: Action) -> str:
    match action:
        case Allow():
            return "marks"
        case Block():
            return "status"
        case SendTo():
            return "routes"
    return "event"


def _span(action: Action, rule: Filter) -> Span:
    return action.span if isinstance(action, SendTo) and action.span != NOWHERE else rule.span


def _other_actions(action: Action, ruleset: Ruleset) -> Iterator[tuple[Action, str, str]]:
    if isinstance(action, SendTo):
        mode = _NEXT_MODE[action.mode]
        hint = "with expectations of `topic` and `copies`"
        yield replace(action, mode=mode), f"{action_text(action)} has `mode: {mode}`", hint
        other = next((name for name in ruleset.routes if name != action.to), None)
        if other is not None:
            yield replace(action, to=other), f"{action_text(action)} goes to `{other}`", "with an expectation of `routes`"
    elif isinstance(action, Transform):
        for changed, change, path in _transforms(action):
            yield changed, f"in the transform, {change}", f"that has `{path.text}`, with an expectation of `event`"


def _transforms(action: Transform) -> Iterator[tuple[Transform, str, Path]]:
    """Each of its changes left out, and of masks one character more kept."""
    for at, (path, _) in enumerate(action.set):
        yield replace(action, set=_without(action.set, at)), f"`set` of `{path.text}` is left out", path
    for at, path in enumerate(action.remove):
        yield replace(action, remove=_without(action.remove, at)), f"`remove` of `{path.text}` is left out", path
    for at, (path, _) in enumerate(action.rename):
        yield replace(action, rename=_without(action.rename, at)), f"`rename` of `{path.text}` is left out", path
    for at, path in enumerate(action.hash):
        yield replace(action, hash=_without(action.hash, at)), f"`hash` of `{path.text}` is left out", path
    for at, (path, kept) in enumerate(action.mask):
        yield replace(action, mask=_without(action.mask, at)), f"`mask` of `{path.text}` is left out", path
        mask = (*action.mask[:at], (path, kept + 1), *action.mask[at + 1 :])
        yield replace(action, mask=mask), f"`mask` of `{path.text}` keeps {kept + 1}", path


def _without(items: tuple[_Item, ...], at: int) -> tuple[_Item, ...]:
    return items[:at] + items[at + 1 :]


def _routing(ruleset: Ruleset) -> Iterator[Mutant]:
    """The other way for several routes; of one that routes alone nothing could be told."""
    routing = [rule for rule in ruleset.filters if rule.mode == "enforce" and any(isinstance(a, SendTo) for a in rule.actions)]
    if len(routing) > 1:
        other: Literal["all_matches", "first_match"] = "first_match" if ruleset.routing == "all_matches" else "all_matches"
        hint = f"an event that two filters route, `{routing[0].id}` and `{routing[1].id}` say, with an expectation of `routes`"
        yield Mutant("filters", routing[1].span, f"`routing` is `{other}`", hint, replace(ruleset, routing=other))
