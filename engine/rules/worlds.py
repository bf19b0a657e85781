"""What events can hold at all, by their types: the schema's word, as regions.

In: the facts about the fields of a ruleset's events. Out: for each type of event, the regions that a field can lie in. Rule of the file: a
region is left out only where no event has such a value; fields are taken as independent of each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from engine.rules.domains import ABSENT, ARRAY, BOOLEANS, FALSE, MISSING, NULL, OBJECT, TRUE, Bounds, Domain
from engine.rules.event_fields import EventFields, Fact
from engine.rules.formulas import Constants, Figure, Formulas, Place, whole_only
from engine.rules.model import Ruleset

MAX_TYPES: Final = 32
"""With more event types than this, all are one: a field can then hold what it can in any of them."""

_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One kind of event, which is only itself: `types` as facts are asked for, None for all; `name` is what the type's field says, or None for any.

    In a `free` one nothing is known of any field.
    """

    types: frozenset[str] | None = None
    name: str | None = None
    free: bool = False


class Worlds:
    """The kinds of events of a ruleset. Its constants are added to those given; regions come from `formulas`, made after that."""

    def __init__(self, ruleset: Ruleset, fields: EventFields, constants: Constants) -> None:
        self._fields = fields
        self._constants = constants
        self._type = constants.place(ruleset.events.type)
        self._known: dict[World, dict[Place, int]] = {}
        self._names = tuple(ruleset.events.types)
        self.worlds = tuple(self._kinds(ruleset))
        constants.add(self._type, ruleset.events.types)
        for place, path in list(constants.paths.items()):
            for world in self.worlds:
                for fact in fields.facts(path, world.types):
                    constants.add(place, (*(fact.values or ()), *_limits(fact).values()))

    def _kinds(self, ruleset: Ruleset) -> Iterator[World]:
        """One for each type; a single one where a transform may change what an event says it is."""
        told_apart = not self._fields.is_written(ruleset.events.type) and 0 < len(self._names) <= MAX_TYPES
        if not told_apart:
            yield World()
            return
        for name in self._names:
            yield World(frozenset((name,)), name)
        if ruleset.events.unknown_types == "pass":
            yield World(free=True)

    def regions(self, world: World, place: Place, formulas: Formulas) -> int:
        """Where the field, or the figure, can lie in events of this kind."""
        known = self._known.setdefault(world, {})
        if place not in known:
            known[place] = self._regions(world, place, formulas.domain(place))
        return known[place]

    def _regions(self, world: World, place: Place, domain: Domain) -> int:
        if any(isinstance(step, Figure) for step in place):
            return _figures(place, domain)
        if place == self._type and world.name is not None:
            return domain.text(world.name).possible
        path = self._constants.paths.get(place)
        facts = self._fields.facts(path, world.types) if path is not None and not world.free else []
        if not facts:
            return domain.everything
        return reduce(or_, (_of_fact(fact, domain) for fact in facts), 0)


def _figures(place: Place, domain: Domain) -> int:
    """Figures are numbers, most of them whole, and no array has fewer than no elements."""
    regions = domain.all_numbers
    if whole_only(place):
        regions &= ~domain.without_whole_numbers()
    return regions & domain.range(Bounds(low=0)).possible if Figure.SIZE in place else regions


def _of_fact(fact: Fact, domain: Domain) -> int:
    absent = 0 if fact.always else ABSENT
    if fact.status == "impossible":
        return MISSING
    if fact.status != "declared":
        return domain.everything & ~ABSENT | absent
    present = _of_types(fact.types, domain)
    if fact.values is not None:
        present &= reduce(or_, (_of_value(value, domain) for value in fact.values), 0)
    limits = _limits(fact)
    if limits:
        outside = domain.all_numbers & ~_within(limits, domain)
        present &= ~outside
    if fact.root is not None and _whole(fact.root.node):
        present &= ~domain.without_whole_numbers()
    null = NULL if fact.types is None or "null" in fact.types else 0
    return present & ~ABSENT | (0 if fact.always else MISSING | null)


def _of_types(types: frozenset[str] | None, domain: Domain) -> int:
    if types is None:
        return domain.everything
    regions = {
        "string": domain.all_texts,
        "number": domain.all_numbers,
        "boolean": BOOLEANS,
        "array": ARRAY,
        "object": OBJECT,
    }
    return reduce(or_, (regions.get(name, 0) for name in types), 0)


def _of_value(value: object, domain: Domain) -> int:
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, str):
        return domain.text(value).possible
    if isinstance(value, int | float):
        return domain.range(Bounds(value, value)).possible
    return ARRAY if isinstance(value, list) else OBJECT if isinstance(value, dict) else NULL


def _limits(fact: Fact) -> Mapping[str, int | float]:
    """The schema's bounds of a number, by keyword."""
    node: Mapping[str, object] = fact.root.node if fact.status == "declared" and fact.root is not None else {}
    found: dict[str, int | float] = {}
    for name in _BOUNDS:
        limit = node.get(name)
        if type(limit) is int or type(limit) is float:
            found[name] = limit
    return found


def _within(limits: Mapping[str, int | float], domain: Domain) -> int:
    regions = domain.all_numbers
    for name, limit in limits.items():
        strict = not name.startswith("exclusive")
        if name.endswith("inimum"):
            regions &= domain.range(Bounds(low=limit, with_low=strict)).possible
        else:
            regions &= domain.range(Bounds(high=limit, with_high=strict)).possible
    return regions


def _whole(node: Mapping[str, object]) -> bool:
    written = node.get("type")
    names: Iterable[object] = [written] if isinstance(written, str) else written if isinstance(written, list) else ()
    return "integer" in names and "number" not in names
