"""Warnings about filters beside each other: never reached, said twice, reading what one before has taken away.

In: a ruleset without errors. Out: findings. Rule of the file: filters are compared as they run, and only as long as nothing changed the fields
that are compared. The work is bounded: a filter is compared with all earlier ones that ask for the same few values of a field, and with
MAX_COMPARED of the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.rules.diagnostics import Findings, Related
from engine.rules.formulas import Atom, Every, Formula, Place, places_in
from engine.rules.model import Block, Filter, Ruleset, SendTo, Transform
from engine.rules.reasoning import Case, Reasoner
from engine.rules.transforms import changed_steps
from engine.rules.uses import meaning
from engine.rules.worlds import World

MAX_COMPARED: Final = 50
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
    block = next((action for action in rule.actions[:-1] if isinstance(action, Block)), None)
    if block is not None:
        help = "a block ends the event: put it last, alone"
        findings.add("W605", f"`{rule.id}` has actions after its `block`", block.span, help=help)


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


def touches(formula: Formula, changed: Sequence[Place]) -> bool:
    """Whether the formula asks for something at, below or above a changed place."""
    return _overlap(frozenset(places_in(formula)), changed)


def _overlap(places: frozenset[Place], changed: Sequence[Place]) -> bool:
    return any(place[: len(other)] == other[: len(place)] for place in places for other in changed)


@dataclass(slots=True)
class _Seen:
    """Filters by what they ask and do."""

    _rules: dict[object, tuple[Filter, frozenset[Place]]] = field(default_factory=dict)

    def first(self, rule: Filter, formula: Formula) -> Filter:
        """The first filter with this meaning, which may be this one."""
        return self._rules.setdefault(
            (_unordered(formula), meaning(rule.actions), rule.mode), (rule, frozenset(places_in(formula)))
        )[0]

    def forget(self, changed: Sequence[Place]) -> None:
        """Filters that ask for one of these places saw another value there."""
        if changed:
            self._rules = {key: entry for key, entry in self._rules.items() if not _overlap(entry[1], changed)}


def _unordered(formula: Formula) -> object:
    if isinstance(formula, Atom):
        return formula
    return type(formula).__name__, frozenset(map(_unordered, formula.items))


@dataclass(frozen=True, slots=True)
class _Known:
    """An earlier filter, what it asks, and where."""

    rule: Filter
    formula: Formula
    places: frozenset[Place]


class _Earlier:
    """Earlier filters with their conditions, found by a field of which they take few values."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._clear()

    def _clear(self) -> None:
        self._known: list[_Known] = []
        self._indexed: dict[Place, dict[int, list[_Known]]] = {}
        self._others: list[_Known] = []

    def add(self, rule: Filter, formula: Formula) -> None:
        """Compare later filters with this one."""
        self._add(_Known(rule, formula, frozenset(places_in(formula))))

    def _add(self, known: _Known) -> None:
        self._known.append(known)
        found = min(self._few(known.formula), key=lambda few: few[0], default=None)
        if found is None:
            self._others.append(known)
            return
        _, place, regions = found
        bits = self._indexed.setdefault(place, {})
        for bit in _bits(regions):
            bits.setdefault(bit, []).append(known)

    def _few(self, formula: Formula) -> Iterator[tuple[float, Place, int]]:
        """Places of which the formula takes few regions: what share of all, which, and the regions."""
        for atom in formula.items if isinstance(formula, Every) else (formula,):
            if isinstance(atom, Atom):
                regions = atom.regions.possible
                count = regions.bit_count()
                if count <= _MAX_INDEXED_REGIONS:
                    yield count / self._reasoner.formulas.domain(atom.place).everything.bit_count(), atom.place, regions

    def forget(self, changed: Sequence[Place]) -> None:
        """Take out the filters that ask for one of these places."""
        kept = [known for known in self._known if not _overlap(known.places, changed)] if changed else self._known
        if len(kept) < len(self._known):
            self._clear()
            for known in kept:
                self._add(known)

    def implied_by(self, formula: Formula) -> Filter | None:
        """The first earlier filter that acts on every event that meets the formula; None where that is certain of none."""
        events = self._reasoner.events(formula) if self._known else ()
        candidates = self._candidates(*events[0]) if events else ()
        return next((known.rule for known in candidates if self._reasoner.follows(formula, known.formula)), None)

    def _candidates(self, case: Case, world: World) -> Iterator[_Known]:
        """All that this case could imply, as far as they are indexed, and some of the others."""
        for place, bits in self._indexed.items():
            left = self._reasoner.left(case, world, place)
            yield from bits.get(left & -left, ())[:MAX_COMPARED]
        yield from self._others[:MAX_COMPARED]


def _bits(regions: int) -> Iterator[int]:
    while regions:
        bit = regions & -regions
        yield bit
        regions ^= bit
