"""What follows from a condition: whether an event can meet it, and whether another one holds wherever it does.

In: formulas of a ruleset's conditions, and the kinds of events there are. Out: yes, or no where it is not certain. Rule of the file: it never
says yes where one event, with whatever missing, null or of the wrong type, shows otherwise; and its work is bounded: a condition that would
fall into more than MAX_CASES cases is taken for a weaker one.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from engine.rules.claims import Claim, excludes, implies
from engine.rules.event_fields import EventFields
from engine.rules.formulas import ALWAYS, Atom, Constants, Either, Every, Formula, Formulas, Place, every, one_of
from engine.rules.model import All, AnyOf, Condition, Not, Ruleset, Test, Use
from engine.rules.normalise import Normal, normalise
from engine.rules.worlds import World, Worlds

MAX_CASES: Final = 64

_Claimed = tuple[Claim, int]


@dataclass(frozen=True, slots=True)
class Case:
    """Tests of which all hold: the regions that are left of each place, and what is claimed in which regions."""

    regions: Mapping[Place, int] = field(default_factory=dict)
    claims: Mapping[Place, tuple[_Claimed, ...]] = field(default_factory=dict)

    def and_also(self, place: Place, possible: int, claimed: tuple[_Claimed, ...]) -> "Case | None":
        """The case with one test more; None where no value meets them all."""
        before = self.claims.get(place, ())
        left = self.regions.get(place, possible) & possible
        for claim, among in before:
            for other, where in claimed:
                if left & among & where and excludes(claim, other):
                    left &= ~(among & where)
        if not left:
            return None
        claims = {**self.claims, place: (*before, *claimed)} if claimed else self.claims
        return Case({**self.regions, place: left}, claims)

    def and_atom(self, atom: Atom) -> "Case | None":
        """The case with an atom."""
        claimed = () if atom.claim is None else ((atom.claim, atom.open),)
        return self.and_also(atom.place, atom.regions.possible, claimed)

    def and_case(self, other: "Case") -> "Case | None":
        """Both cases at once."""
        found: Case | None = self
        for place, left in other.regions.items():
            if found is not None:
                found = found.and_also(place, left, other.claims.get(place, ()))
        return found


Event = tuple[Case, World]


class Reasoner:
    """Answers about the conditions of one ruleset, as far as its events can meet them."""

    def __init__(self, ruleset: Ruleset, normals: Iterable[Normal]) -> None:
        constants = Constants(ruleset)
        for normal in normals:
            constants.gather(normal)
        self._ruleset = ruleset
        self._worlds = Worlds(ruleset, EventFields(ruleset), constants)
        self._kinds = self._worlds.worlds
        self.formulas = Formulas(constants)
        self._formulas: dict[tuple[int, bool], tuple[Condition, Formula]] = {}
        self._events: dict[int, tuple[Formula, tuple[Event, ...]]] = {}

    def of_any_values(self) -> "Reasoner":
        """One that answers for events of which nothing is known."""
        other = copy(self)
        other._kinds = (World(free=True),)  # noqa: SLF001 - of the same class
        other._events = {}  # noqa: SLF001 - as above
        return other

    def formula(self, condition: Condition, *, negated: bool = False) -> Formula:
        """What is true exactly where the condition is, or where it is false."""
        key = (id(condition), negated)
        known = self._formulas.get(key)
        if known is None or known[0] is not condition:
            known = self._formulas[key] = (condition, self._made(condition, negated=negated))
        return known[1]

    def _made(self, condition: Condition, *, negated: bool) -> Formula:
        """The formula, put together of those of its parts, which are asked for as well."""
        match condition:
            case Test():
                return self.formulas.formula(normalise(condition, self._ruleset, negated=negated))
            case Not(item):
                return self.formula(item, negated=not negated)
            case Use(name):
                return self.formula(self._ruleset.conditions[name], negated=negated)
            case All(items) | AnyOf(items):
                join = every if isinstance(condition, All) is not negated else one_of
                return join(self.formula(item, negated=negated) for item in items)

    def events(self, formula: Formula) -> tuple[Event, ...]:
        """The cases of the formula, of which one must be true, each with a kind of event that may be it; none where no event is."""
        known = self._events.get(id(formula))
        if known is None or known[0] is not formula:
            known = self._events[id(formula)] = (formula, tuple(self._find(formula)))
        return known[1]

    def _find(self, formula: Formula) -> Iterator[Event]:
        return ((case, world) for case in _cases(formula) for world in self._kinds if self._stands(case, world))

    def is_possible(self, formula: Formula) -> bool:
        """Whether some event may meet the formula; False is certain."""
        known = self._events.get(id(formula))
        if known is not None and known[0] is formula:
            return bool(known[1])
        return next(self._find(formula), None) is not None  # most formulas that this is asked of are asked once

    def types_of(self, formula: Formula) -> set[str] | None:
        """The event types of which some event may meet the formula; None where types are not told apart."""
        names = {world.name for _, world in self.events(formula)}
        return None if None in names else {name for name in names if name is not None}

    def follows(self, known: Formula, other: Formula) -> bool:
        """Whether `other` is true of every event that meets `known`; True is certain."""
        return all(self.holds(other, case, world) for case, world in self.events(known))

    def is_always(self, formula: Formula) -> bool:
        """Whether every event meets the formula; True is certain."""
        return self.follows(ALWAYS, formula)

    def _stands(self, case: Case, world: World) -> bool:
        """Whether an event of this kind can be such a case."""
        return all(left & self._worlds.regions(world, place, self.formulas) for place, left in case.regions.items())

    def left(self, case: Case, world: World, place: Place) -> int:
        """The regions that a place can lie in."""
        regions = self._worlds.regions(world, place, self.formulas)
        return regions & case.regions.get(place, regions)

    def holds(self, formula: Formula, case: Case, world: World) -> bool:
        """Whether the formula is true of every such event of this kind."""
        match formula:
            case Atom():
                return self._atom_holds(formula, case, world)
            case Every(items):
                return all(self.holds(item, case, world) for item in items)
            case Either(items):
                return any(self.holds(item, case, world) for item in items) or self._together(items, case, world)

    def _atom_holds(self, atom: Atom, case: Case, world: World) -> bool:
        rest = self.left(case, world, atom.place) & ~atom.regions.certain
        if rest & ~atom.open or (rest and atom.claim is None):
            return False
        for claim, among in case.claims.get(atom.place, ()):
            if rest & among and atom.claim is not None and implies(claim, atom.claim):
                rest &= ~among
        return not rest

    def _together(self, items: tuple[Formula, ...], case: Case, world: World) -> bool:
        """Whether tests of one place leave none of its regions out."""
        certain: dict[Place, int] = {}
        for item in items:
            if isinstance(item, Atom):
                certain[item.place] = certain.get(item.place, 0) | item.regions.certain
        return any(not self.left(case, world, place) & ~covered for place, covered in certain.items())


def _cases(formula: Formula) -> Iterator[Case]:
    match formula:
        case Atom():
            found = Case().and_atom(formula)
            if found is not None:
                yield found
        case Every(items):
            yield from _all_cases(items)
        case Either(items):
            cases = list(chain.from_iterable(map(_cases, items)))
            yield from cases if len(cases) <= MAX_CASES else (Case(),)


def _all_cases(items: tuple[Formula, ...]) -> list[Case]:
    """The cases of all items at once; an item that would make them too many is left out: what remains is weaker, so no less true."""
    found = [Case()]
    for item in sorted(items, key=lambda item: not isinstance(item, Atom)):
        if isinstance(item, Atom):
            found = [more for case in found if (more := case.and_atom(item)) is not None]
            continue
        branches = list(_cases(item))
        if len(found) * len(branches) <= MAX_CASES:
            found = [more for case in found for branch in branches if (more := case.and_case(branch)) is not None]
    return found
