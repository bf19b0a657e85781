"""Warnings about filters beside each other: never reached, said twice, reading what one before has taken away.

In: a ruleset without errors. Out: findings. Rule of the file: filters are compared as they run, and only as long as nothing changed the fields
that are compared. The work is bounded: a filter is compared with all earlier ones that ask for the same few values of a field, and with
MAX_COMPARED of the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.rules.diagnostics import Findings, Related
from engine.rules.formulas import Atom, Every, Formula, Place
from engine.rules.model import Block, Filter, Ruleset, SendTo, Transform
from engine.rules.reasoning import Case, Reasoner
from engine.rules.transforms import changed_steps
from engine.rules.uses import meaning
from engine.rules.worlds import World

MAX_COMPARED: Final = 100
"""How many earlier filters a filter is compared with where no index leads to the right ones."""

_MAX_INDEXED_REGIONS: Final = 16


def lint_filters(ruleset: Ruleset, reasoner: Reasoner, findings: Findings) -> None:
    """Warn of filters that no event reaches, that repeat another, and that act after their block."""
    blocks, routers, seen = _Earlier(reasoner), _Earlier(reasoner), _Seen()
    for rule in ruleset.filters:
        with findings.about(f"filters.{rule.id}"):
            _lint_after_block(rule, findings)
            if rule.mode == "off":
                continue
            formula = reasoner.formula(rule.when)
            if not _lint_unreached(rule, formula, blocks, findings):
                _lint_repeated(rule, formula, seen, findings)
                if ruleset.routing == "first_match":
                    _lint_routed_before(rule, formula, routers, findings)
        if rule.mode == "enforce":
            if any(isinstance(action, Block) for action in rule.actions):
                blocks.add(rule, formula)
            if any(isinstance(action, SendTo) for action in rule.actions):
                routers.add(rule, formula)
            changed = changed_places(rule, ruleset)
            for known in (blocks, routers, seen):
                known.forget(changed)


def changed_places(rule: Filter, ruleset: Ruleset) -> list[Place]:
    """The places that the filter's transforms may change."""
    transforms = [action for action in rule.actions if isinstance(action, Transform)]
    return [place for transform in transforms for place in changed_steps(transform, ruleset.enrichment.sources)]


def _lint_after_block(rule: Filter, findings: Findings) -> None:
    if any(isinstance(action, Block) for action in rule.actions[:-1]):
        help = "a block ends the event: put it last, alone"
        findings.add("W605", f"`{rule.id}` has actions after its `block`", rule.span, help=help)


def _lint_unreached(rule: Filter, formula: Formula, blocks: "_Earlier", findings: Findings) -> bool:
    blocking = blocks.implied_by(formula)
    if blocking is not None:
        related = (Related(f"`{blocking.id}` blocks them", blocking.span),)
        help = f"move it before `{blocking.id}`, or set `order`"
        findings.add("W604", f"no event reaches `{rule.id}`", rule.span, help=help, related=related)
    return blocking is not None


def _lint_repeated(rule: Filter, formula: Formula, seen: "_Seen", findings: Findings) -> None:
    twin = seen.first(rule, formula)
    if twin is not rule:
        related = (Related("the other one", twin.span),)
        findings.add("W608", f"`{rule.id}` does the same as `{twin.id}`", rule.span, help="keep one of them", related=related)


def _lint_routed_before(rule: Filter, formula: Formula, routers: "_Earlier", findings: Findings) -> None:
    if not all(isinstance(action, SendTo) for action in rule.actions):
        return
    first = routers.implied_by(formula)
    if first is not None:
        related = (Related(f"`{first.id}` routes them", first.span),)
        help = f"with `routing: first_match` only the first route counts: move it before `{first.id}`"
        findings.add("W604", f"`{rule.id}` never routes an event", rule.span, help=help, related=related)


def places_in(formula: Formula) -> Iterator[Place]:
    """Every place that a formula asks for."""
    if isinstance(formula, Atom):
        yield formula.place
        if formula.claim is not None and isinstance(formula.claim.operand, tuple):
            yield formula.claim.operand
        return
    for item in formula.items:
        yield from places_in(item)


def touches(formula: Formula, changed: Sequence[Place]) -> bool:
    """Whether the formula asks for something at, below or above a changed place."""
    return any(place[: len(other)] == other[: len(place)] for place in places_in(formula) for other in changed)


@dataclass(slots=True)
class _Seen:
    """Filters by what they ask and do."""

    _rules: dict[object, tuple[Filter, Formula]] = field(default_factory=dict)

    def first(self, rule: Filter, formula: Formula) -> Filter:
        """The first filter with this meaning, which may be this one."""
        return self._rules.setdefault((_unordered(formula), meaning(rule.actions), rule.mode), (rule, formula))[0]

    def forget(self, changed: Sequence[Place]) -> None:
        """Filters that ask for one of these places saw another value there."""
        self._rules = {key: entry for key, entry in self._rules.items() if not touches(entry[1], changed)}


def _unordered(formula: Formula) -> object:
    if isinstance(formula, Atom):
        return formula
    return type(formula).__name__, frozenset(map(_unordered, formula.items))


class _Earlier:
    """Earlier filters with their conditions, found by a field of which they take few values."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._clear()

    def _clear(self) -> None:
        self._known: list[tuple[Filter, Formula]] = []
        self._indexed: dict[tuple[Place, int], list[tuple[Filter, Formula]]] = {}
        self._others: list[tuple[Filter, Formula]] = []
        self._places: set[Place] = set()

    def add(self, rule: Filter, formula: Formula) -> None:
        """Compare later filters with this one."""
        self._known.append((rule, formula))
        atoms = formula.items if isinstance(formula, Every) else (formula,)
        few = [
            (regions.bit_count(), atom.place, regions)
            for atom in atoms
            if isinstance(atom, Atom) and 0 < (regions := atom.regions.possible).bit_count() <= _MAX_INDEXED_REGIONS
        ]
        if not few:
            self._others.append((rule, formula))
            return
        _, place, regions = min(few, key=lambda found: found[0])
        self._places.add(place)
        for bit in _bits(regions):
            self._indexed.setdefault((place, bit), []).append((rule, formula))

    def forget(self, changed: Sequence[Place]) -> None:
        """Take out the filters that ask for one of these places."""
        kept = [(rule, formula) for rule, formula in self._known if not touches(formula, changed)]
        if len(kept) < len(self._known):
            self._clear()
            for rule, formula in kept:
                self.add(rule, formula)

    def implied_by(self, formula: Formula) -> Filter | None:
        """The first earlier filter that acts on every event that meets the formula; None where that is certain of none."""
        event = self._reasoner.first_event(formula) if self._known else None
        for rule, other in () if event is None else self._candidates(*event):
            if self._reasoner.follows(formula, other):
                return rule
        return None

    def _candidates(self, case: Case, world: World) -> Iterable[tuple[Filter, Formula]]:
        """All that this case could imply, as far as they are indexed, and some of the others."""
        found: dict[str, tuple[Filter, Formula]] = {}
        for place in self._places:
            left = self._reasoner.left(case, world, place)
            for entry in self._indexed.get((place, left & -left), ())[:MAX_COMPARED]:
                found[entry[0].id] = entry
        for entry in self._others[:MAX_COMPARED]:
            found[entry[0].id] = entry
        return found.values()


def _bits(regions: int) -> Iterator[int]:
    while regions:
        bit = regions & -regions
        yield bit
        regions ^= bit
