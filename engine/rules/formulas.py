"""Conditions as formulas over regions: what a normal form says of each field, and where.

In: normal forms of a ruleset's conditions. Out: formulas, true exactly where the condition is definitely true. Rule of the file: an atom never
leaves out a value for which its test is true, and never claims one for which it is not.

A place is a field, or a figure that comes with it: how many elements it has, the instant that it means, its age, how it compares with
another field. Such figures are numbers, and have regions like any.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from engine.rules.claims import Claim
from engine.rules.domains import (
    ABSENT,
    ARRAY,
    BOOLEANS,
    FALSE,
    NULL,
    OTHER_TEXT,
    TRUE,
    Bounds,
    Domain,
    Number,
    Regions,
    both,
    either,
    opposite,
)
from engine.rules.model import FieldRef, Path, Ruleset, Scalar
from engine.rules.normalise import NORMALS, EveryOne, Leaf, Normal
from engine.rules.text_tests import TextTest, is_text_test, text_test
from engine.rules.times import parse_time
from engine.rules.uses import meaning
from engine.rules.values import KINDS, event_steps, fold

Place = tuple[Hashable, ...]


class Figure(Enum):
    """A number that comes with a field; as a step of a place it is like no name of a member."""

    SIZE = "how many elements"
    INSTANT = "the instant that it means"
    AGE = "how long before the event that is"
    AGAINST = "how far above another field"


_ORDER: Final = frozenset(("lt", "lte", "gt", "gte"))
_MAX_TRIED_TEXTS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Atom:
    """One test of one place. In its open regions it is true where the claim is; None tells nothing."""

    place: Place
    regions: Regions
    claim: Claim | None = None

    @property
    def open(self) -> int:
        """The regions where it may be true, and is not of every value."""
        return self.regions.possible & ~self.regions.certain


@dataclass(frozen=True, slots=True)
class Every:
    """All of the items."""

    items: "tuple[Formula, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the items."""

    items: "tuple[Formula, ...]"


Formula = Atom | Every | Either
ALWAYS: Final = Every(())


class Constants:
    """What fields are compared with: gathered first, so that every formula sees the same regions."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._sources = ruleset.enrichment.sources
        self.paths: dict[Place, Path] = {}
        self._numbers: dict[Place, set[Number]] = {}
        self._texts: dict[Place, dict[str, None]] = {}

    def place(self, path: Path) -> Place:
        """Where a path of the event leads."""
        return event_steps(path, self._sources)

    def add(self, place: Place, values: Iterable[object]) -> None:
        """Give each of the values a region of its own; anything but numbers and texts is passed over."""
        for value in values:
            if type(value) is str:
                self._texts.setdefault(place, {})[value] = None
            elif type(value) is int or type(value) is float:
                self._numbers.setdefault(place, set()).add(value)

    def gather(self, normal: Normal, at: Place | None = None) -> None:
        """Take in the constants of a condition."""
        if not isinstance(normal, Leaf):
            for item in normal.items:
                self.gather(item, at)
            return
        place = self.place(normal.path) if at is None else at
        if at is None:
            self.paths.setdefault(place, normal.path)
        if normal.operator == "size" and not isinstance(normal.operand, str | int | float | tuple | FieldRef):
            self.add((*place, Figure.SIZE), (0,))
            self.gather(normal.operand, (*place, Figure.SIZE))
        elif isinstance(normal.operand, FieldRef):
            self.add((*place, Figure.AGAINST, *self.place(normal.operand.path)), (0,))
        elif normal.operator == "within":
            self.add((*place, Figure.AGE), many(normal))
        elif normal.operator in _ORDER | {"between"} and type(many(normal)[0]) is str:
            self.add((*place, Figure.INSTANT), [parse_time(value) for value in many(normal)])
        elif normal.operator in _ORDER | {"between", "eq", "in"}:
            self.add(place, many(normal))

    def domain(self, place: Place) -> Domain:
        """The regions of a place."""
        return Domain(self._numbers.get(place, ()), self._texts.get(place, ()))


class Formulas:
    """Makes formulas over the regions that `constants` cut; nothing may be added to them afterwards."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._domains: dict[Place, Domain] = {}
        self._leaves: dict[Hashable, tuple[Leaf, Formula]] = {}
        self._texts_left = _MAX_TRIED_TEXTS

    def domain(self, place: Place) -> Domain:
        """The regions of a place."""
        if place not in self._domains:
            self._domains[place] = self._constants.domain(place)
        return self._domains[place]

    def formula(self, normal: Normal, at: Place | None = None) -> Formula:
        """The formula of a normal form; `at` is the place that an empty path means."""
        if isinstance(normal, Leaf):
            key = (_key(normal), at)
            if key not in self._leaves:
                self._leaves[key] = (normal, self._leaf(normal, at))
            return self._leaves[key][1]
        items = [self.formula(item, at) for item in normal.items]
        return every(items) if isinstance(normal, EveryOne) else one_of(items)

    def _leaf(self, leaf: Leaf, at: Place | None) -> Formula:
        place = self._constants.place(leaf.path) if at is None else at
        domain = self.domain(place)
        if leaf.operator in {"exists", "is_null"}:
            there = domain.everything & ~ABSENT if leaf.operator == "exists" else NULL
            regions = domain.everything & ~there if leaf.negated else there
            return Atom(place, Regions(regions, regions))
        tested = self._tested(leaf, place, domain)
        if leaf.when_missing is not True:
            return tested
        return one_of([tested, Atom(place, Regions(ABSENT, ABSENT))])

    def _tested(self, leaf: Leaf, place: Place, domain: Domain) -> Formula:
        """What is true of a value that is there."""
        operand = leaf.operand
        if isinstance(operand, FieldRef):
            return self._beside_field(leaf, place, domain, operand)
        if isinstance(operand, NORMALS):
            if leaf.operator == "size":
                return every([Atom(place, Regions(ARRAY, ARRAY)), self.formula(operand, (*place, Figure.SIZE))])
            return Atom(place, Regions(ARRAY, 0), Claim(leaf.operator, meaning(operand)))
        if leaf.operator == "within":
            return self._time(place, domain, Figure.AGE, Bounds(high=_number(operand)), negated=leaf.negated)
        if leaf.operator in _ORDER | {"between"}:
            return self._order(leaf, place, domain)
        if leaf.operator in {"eq", "in"}:
            return self._equal(leaf, place, domain)
        if leaf.operator in {"has", "has_any", "has_all"}:
            kind = "has_all" if leaf.operator == "has_all" else "has_any"
            wanted = frozenset((KINDS[type(value)], _folded(value, leaf)) for value in many(leaf))
            return Atom(place, Regions(ARRAY, 0), Claim(kind, wanted, leaf.ignore_case, not leaf.negated))
        if is_text_test(leaf.operator):
            return self._text(text_test(leaf), place, domain, negated=leaf.negated)
        return Atom(place, Regions(domain.everything & ~ABSENT, 0))

    def _order(self, leaf: Leaf, place: Place, domain: Domain) -> Formula:
        values = many(leaf)
        if type(values[0]) is str:
            return self._time(
                place, domain, Figure.INSTANT, _bounds(leaf, [parse_time(v) or 0 for v in values]), negated=leaf.negated
            )
        found = domain.range(_bounds(leaf, [_number(value) for value in values]))
        return Atom(place, opposite(found, domain.all_numbers) if leaf.negated else found)

    def _time(self, place: Place, domain: Domain, figure: Figure, bounds: Bounds, *, negated: bool) -> Formula:
        """The value is a time, and the figure that comes with it lies within these bounds."""
        times = OTHER_TEXT | domain.all_numbers
        for text, region in domain.texts.items():
            times |= region if parse_time(text) is not None else 0
        figures = self.domain((*place, figure))
        found = figures.range(bounds)
        found = opposite(found, figures.all_numbers) if negated else found
        return every([Atom(place, Regions(times, 0), Claim("time")), Atom((*place, figure), found)])

    def _equal(self, leaf: Leaf, place: Place, domain: Domain) -> Formula:
        """Eq and in: true, and false, only among the kinds of the operand's values."""
        values = many(leaf)
        kinds = {KINDS[type(value)] for value in values}
        texts = tuple(dict.fromkeys(_folded(value, leaf) for value in values if type(value) is str))
        among = 0 if values else BOOLEANS | domain.all_numbers | domain.all_texts
        among |= BOOLEANS if "boolean" in kinds else 0
        among |= domain.all_numbers if "number" in kinds else 0
        among |= domain.all_texts if texts else 0
        found = Regions(0, 0)
        for value in values:
            found = either(found, _one_value(value, domain))
        if leaf.ignore_case and texts:
            same = sum(region for text, region in domain.texts.items() if fold(text) in texts)
            found = Regions(found.possible | same | OTHER_TEXT, found.certain | same)
        if leaf.negated:
            found = opposite(found, among)
        claim = Claim("in", texts, leaf.ignore_case, not leaf.negated) if found.possible & ~found.certain & OTHER_TEXT else None
        return Atom(place, found, claim)

    def _text(self, test: TextTest, place: Place, domain: Domain, *, negated: bool) -> Formula:
        possible, certain = OTHER_TEXT, 0
        for text, region in domain.texts.items():
            self._texts_left -= 1
            found = test.of(text) if self._texts_left >= 0 else "unknown"
            possible |= region if found == "unknown" or found is (not negated) else 0
            certain |= region if found is (not negated) else 0
        return Atom(place, Regions(possible, certain), Claim(test.kind, test.operand, test.ignore_case, not negated))

    def _beside_field(self, leaf: Leaf, place: Place, domain: Domain, operand: FieldRef) -> Formula:
        other = self._constants.place(operand.path)
        if leaf.operator in _ORDER:
            figures = self.domain((*place, Figure.AGAINST, *other))
            found = figures.range(_bounds(leaf, [0]))
            found = opposite(found, figures.all_numbers) if leaf.negated else found
            comparable = Regions(domain.all_numbers | domain.all_texts, 0)
            return every([Atom(place, comparable, Claim("pair", other)), Atom((*place, Figure.AGAINST, *other), found)])
        claim = Claim(f"{leaf.operator} field", other, leaf.ignore_case, not leaf.negated)
        return Atom(place, Regions(domain.everything & ~ABSENT, 0), claim)


def every(items: Iterable[Formula]) -> Formula:
    """All of the items, those without a claim on one place put together."""
    parts = _parts((part for item in items for part in (item.items if isinstance(item, Every) else (item,))), both)
    return parts[0] if len(parts) == 1 else Every(parts)


def one_of(items: Iterable[Formula]) -> Formula:
    """One of the items, those without a claim on one place put together."""
    parts = _parts((part for item in items for part in (item.items if isinstance(item, Either) else (item,))), either)
    return parts[0] if len(parts) == 1 else Either(parts)


def _parts(items: Iterable[Formula], join: Callable[[Regions, Regions], Regions]) -> tuple[Formula, ...]:
    plain: dict[Place, Regions] = {}
    others: dict[Formula, None] = {}
    for item in items:
        if isinstance(item, Atom) and item.claim is None:
            known = plain.get(item.place)
            plain[item.place] = item.regions if known is None else join(known, item.regions)
        else:
            others[item] = None
    return (*(Atom(place, regions) for place, regions in plain.items()), *others)


def places_in(formula: Formula) -> Iterator[Place]:
    """Every place that a formula asks for."""
    if isinstance(formula, Atom):
        yield formula.place
        if formula.claim is not None and isinstance(formula.claim.operand, tuple):
            yield formula.claim.operand
        return
    for item in formula.items:
        yield from places_in(item)


def many(leaf: Leaf) -> tuple[Scalar, ...]:
    """The operand's values, also where it is one."""
    operand = leaf.operand
    if isinstance(operand, tuple):
        return operand
    return (operand,) if isinstance(operand, str | int | float) else ()


def _key(leaf: Leaf) -> Hashable:
    """What two leaves share only where they mean the same: `1` is not `true`, and a list is known by being the same one."""
    operand = leaf.operand
    known = (type(operand).__name__, operand) if isinstance(operand, str | int | float | FieldRef) else id(operand)
    return leaf.path, leaf.operator, known, leaf.ignore_case, leaf.negated, leaf.when_missing


def _one_value(value: Scalar, domain: Domain) -> Regions:
    if type(value) is bool:
        region = TRUE if value else FALSE
        return Regions(region, region)
    if isinstance(value, str):
        return domain.text(value)
    return domain.range(Bounds(value, value))


def _bounds(leaf: Leaf, values: list[Number]) -> Bounds:
    match leaf.operator:
        case "lt":
            return Bounds(high=values[0], with_high=False)
        case "lte":
            return Bounds(high=values[0])
        case "gt":
            return Bounds(low=values[0], with_low=False)
        case "gte":
            return Bounds(low=values[0])
    return Bounds(values[0], values[1])


def _number(value: object) -> Number:
    return value if isinstance(value, int | float) else 0


def _folded(value: Scalar, leaf: Leaf) -> Scalar:
    return fold(value) if leaf.ignore_case and isinstance(value, str) else value


def whole_only(place: Place) -> bool:
    """Whether the place is a figure that is always a whole number."""
    return any(isinstance(step, Figure) and step is not Figure.AGAINST for step in place)
