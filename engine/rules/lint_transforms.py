"""Warnings about transforms that take away what is asked for after them.

In: a ruleset without errors. Out: findings. Rule of the file: a filter is only reported where it can act on no event at all: on every event that
it means, the transform before it has taken out the field, or put a digest in its place. Likewise an aggregation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from engine.rules.diagnostics import Findings, Related
from engine.rules.domains import ABSENT, OTHER_TEXT, Regions
from engine.rules.formulas import ALWAYS, Atom, Figure, Formula, Place, every, places_in
from engine.rules.lint_filters import MAX_COMPARED, changed_places, touches
from engine.rules.model import Aggregation, Block, FieldRef, Filter, Path, Ruleset, Transform
from engine.rules.places import Span
from engine.rules.reasoning import Reasoner
from engine.rules.values import event_steps

_DIGEST_CHARS: Final = 64
_NUMBER_MEASURES: Final = frozenset(("sum", "avg", "min", "max", "quantile"))


@dataclass(frozen=True, slots=True)
class _Loss:
    """What a filter takes away: the place, what is done to it, and of which events."""

    rule: Filter
    formula: Formula
    place: Place
    name: str
    hashed: bool


def lint_transforms(ruleset: Ruleset, reasoner: Reasoner, findings: Findings) -> None:
    """Warn of filters and aggregations that need a field which is gone when it is their turn."""
    losses: list[_Loss] = []
    for rule in ruleset.filters:
        if rule.mode == "off":
            continue
        formula = reasoner.formula(rule.when)
        with findings.about(f"filters.{rule.id}"):
            lost = next(
                (loss for loss in losses if _needs(formula, loss, reasoner) and reasoner.follows(formula, loss.formula)), None
            )
            if lost is not None:
                _add(lost, f"`{rule.id}` asks for `{lost.name}`", "it never acts", rule.span, findings)
        if rule.mode == "enforce":
            changed = changed_places(rule, ruleset)
            losses = [loss for loss in losses if not touches(loss.formula, changed) and not _overlaps(loss.place, changed)]
            losses += [replace(loss, formula=formula) for loss in _losses(rule, ruleset)][: MAX_COMPARED - len(losses)]
    for aggregation in ruleset.aggregations.values():
        with findings.about(f"aggregations.{aggregation.id}"):
            _lint_aggregation(aggregation, losses, ruleset, reasoner, findings)


def _add(loss: _Loss, what: str, so: str, span: Span, findings: Findings) -> None:
    done = "put a digest in its place" if loss.hashed else "taken it out"
    help = f"{so}: change `{loss.rule.id}`, or let it come later"
    related = (Related(f"`{loss.rule.id}` does it", loss.rule.span),)
    findings.add("W611", f"{what}, and `{loss.rule.id}` has {done} before", span, help=help, related=related)


def _losses(rule: Filter, ruleset: Ruleset) -> Iterator[_Loss]:
    """What is certainly gone after the filter has acted: its transform may not fail, and nothing may be put there again."""
    transforms = [action for action in rule.actions if isinstance(action, Transform)]
    if len(transforms) != 1 or not _cannot_fail(transforms[0]):
        return
    transform, sources = transforms[0], ruleset.enrichment.sources
    put = [event_steps(path, sources) for path in (*(new for _, new in transform.rename), *(path for path, _ in transform.set))]
    gone = [(path, False) for path in (*transform.remove, *(old for old, _ in transform.rename))]
    for path, hashed in (*gone, *((path, True) for path in transform.hash)):
        place = event_steps(path, sources)
        # What an array loses, the next element takes the place of.
        if not _overlaps(place, put) and all(isinstance(step, str) for step in place):
            yield _Loss(rule, ALWAYS, place, path.text, hashed)


def _cannot_fail(transform: Transform) -> bool:
    """Whether the transform reaches every place: members of the event itself, set to what needs no expression."""
    targets = [*(new for _, new in transform.rename), *(path for path, _ in transform.set)]
    plain = all(isinstance(value, FieldRef | str | int | float | None) for _, value in transform.set)
    return plain and all(len(path.steps) == 1 for path in targets)


def _overlaps(place: Place, others: Iterable[Place]) -> bool:
    return any(place[: len(other)] == other[: len(place)] for other in others)


def _needs(formula: Formula, loss: _Loss, reasoner: Reasoner) -> bool:
    """Whether the formula is true of no event that the loss has changed."""
    for place in dict.fromkeys(places_in(formula)):
        if any(isinstance(step, Figure) for step in place) or place[: len(loss.place)] != loss.place:
            continue
        if loss.hashed and place != loss.place:
            continue
        left = ABSENT | (_digests(place, reasoner) if loss.hashed else 0)
        if not reasoner.is_possible(every((formula, Atom(place, Regions(left, left))))):
            return True
    return False


def _digests(place: Place, reasoner: Reasoner) -> int:
    """The texts that a digest may be."""
    found = OTHER_TEXT
    for text, region in reasoner.formulas.domain(place).texts.items():
        found |= region if len(text) == _DIGEST_CHARS else 0
    return found


def _lint_aggregation(
    aggregation: Aggregation, losses: list[_Loss], ruleset: Ruleset, reasoner: Reasoner, findings: Findings
) -> None:
    if aggregation.blocked == "include" and any(isinstance(action, Block) for rule in ruleset.filters for action in rule.actions):
        return  # an event may be counted that was blocked before it came to the transform
    counted = ALWAYS if aggregation.when is None else reasoner.formula(aggregation.when)

    def lost(path: Path, *, as_number: bool) -> Iterator[_Loss]:
        place = event_steps(path, ruleset.enrichment.sources)
        for loss in losses:
            is_gone = loss.place == place and as_number if loss.hashed else place[: len(loss.place)] == loss.place
            if is_gone and reasoner.follows(counted, loss.formula):
                yield loss

    for loss in losses:
        if aggregation.when is not None and _needs(counted, loss, reasoner) and reasoner.follows(counted, loss.formula):
            _add(loss, f"`{aggregation.id}` asks for `{loss.name}`", "it counts nothing", aggregation.span, findings)
            return
    for name, path in aggregation.key:
        for loss in lost(path, as_number=False):
            _add(loss, f"the key `{name}` is `{path.text}`", "nothing is counted", aggregation.span, findings)
            return
    for measure in aggregation.measures:
        if measure.field is not None:
            for loss in lost(measure.field, as_number=measure.kind in _NUMBER_MEASURES):
                _add(loss, f"`{measure.name}` measures `{measure.field.text}`", "it stays empty", measure.span, findings)
                break
