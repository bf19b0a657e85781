"""What tests say of values that no list of constants tells apart: one claim, beside another.

In: two claims about one field of which the first is true. Out: whether the second follows, or cannot be. Rule of the file: yes means certainly;
where it is not certain, the answer is no.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.rules.values import fold

SAME_TEXT: Final = "in"
NETWORKS: Final = "in_cidr"
_STARTS: Final = "starts_with_any"
_ENDS: Final = "ends_with_any"
_CONTAINS: Final = "contains_any"
_CONTAINS_ALL: Final = "contains_all"
_MATCHES: Final = "matches_any"
_HAS: Final = "has_any"
_HAS_ALL: Final = "has_all"

_PARTS: Final = frozenset((SAME_TEXT, _STARTS, _ENDS, _CONTAINS, _CONTAINS_ALL))
_FOUND: Final[dict[str, Callable[[str, str], bool]]] = {
    SAME_TEXT: str.__eq__,
    _STARTS: str.startswith,
    _ENDS: str.endswith,
    _CONTAINS: str.__contains__,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A test with its operand: `kind` is the form of its operator that takes many values, or a word of whoever makes claims.

    `operand` are the values, or anything else that two claims share only where they mean the same. `holds` is False for its opposite.
    """

    kind: str
    operand: object = ()
    ignore_case: bool = False
    holds: bool = True


def implies(known: Claim, other: Claim) -> bool:
    """Whether `other` is true of every value of which `known` is."""
    return _implies(known, other, so=other.holds)


def excludes(known: Claim, other: Claim) -> bool:
    """Whether no value makes both true."""
    return _implies(known, other, so=not other.holds) or _implies(other, known, so=not known.holds)


def _implies(known: Claim, other: Claim, *, so: bool) -> bool:
    """Whether the test of `other` passes (`so`), or fails, for every value of which `known` is true."""
    if known.holds:
        return _follows(known, other) if so else _apart(known, other)
    return not so and _follows(other, known)


def _follows(known: Claim, other: Claim) -> bool:
    """Whether whatever passes the test of `known` passes that of `other`; which of them holds is the caller's."""
    if known.kind == other.kind and known.ignore_case is other.ignore_case and known.operand == other.operand:
        return True
    if known.kind in _PARTS and other.kind in _PARTS:
        return _text_follows(known, other)
    if known.kind == other.kind == NETWORKS:
        return _inside(_strings(known), _strings(other))
    if known.ignore_case is not other.ignore_case:
        return False
    mine, others = _values(known), _values(other)
    match known.kind, other.kind:
        case ("matches_any", "matches_any") | ("has_any", "has_any"):
            return mine <= others
        case "has_all", "has_all":
            return others <= mine
        case "has_all", "has_any":
            return bool(mine & others)
        case "has_any", "has_all":
            return len(mine) == 1 and others <= mine
    return False


def _text_follows(known: Claim, other: Claim) -> bool:
    """Of a text with these parts: what is part of a part is part of the whole."""
    if known.ignore_case and not other.ignore_case:
        return False
    parts = [_as_compared(text, other) for text in _strings(known)]
    wanted = [_as_compared(text, other) for text in _strings(other)]
    if other.kind == _CONTAINS_ALL:
        if known.kind == _CONTAINS_ALL:
            return all(any(text in part for part in parts) for text in wanted)
        return all(text in part for part in parts for text in wanted)
    # A part says nothing of the two ends unless it stands there itself.
    same_place = known.kind in {SAME_TEXT, other.kind} or other.kind == _CONTAINS
    if not same_place or (other.kind == SAME_TEXT != known.kind):
        return False
    found = _FOUND[other.kind]
    results = [any(found(part, text) for text in wanted) for part in parts]
    return any(results) if known.kind == _CONTAINS_ALL else all(results)


def _apart(known: Claim, other: Claim) -> bool:
    """Whether nothing passes the tests of both."""
    if known.kind == other.kind == NETWORKS:
        return not any(_overlap(one, two) for one in _strings(known) for two in _strings(other))
    if known.kind == other.kind and known.kind in {SAME_TEXT, _STARTS, _ENDS}:
        wider = known if known.ignore_case else other
        mine, others = ([_as_compared(text, wider) for text in _strings(claim)] for claim in (known, other))
        found = _FOUND[known.kind]
        return not any(found(one, two) or found(two, one) for one in mine for two in others)
    return False


def _as_compared(text: str, claim: Claim) -> str:
    return fold(text) if claim.ignore_case else text


def _values(claim: Claim) -> frozenset[object]:
    return frozenset(claim.operand) if isinstance(claim.operand, tuple | frozenset) else frozenset((claim.operand,))


def _strings(claim: Claim) -> tuple[str, ...]:
    return claim.operand if isinstance(claim.operand, tuple) else ()


def _inside(networks: tuple[str, ...], wider: tuple[str, ...]) -> bool:
    return all(any(_contains(two, one) for two in wider) for one in networks)


def _contains(wide: str, narrow: str) -> bool:
    outer, inner = ipaddress.ip_network(wide, strict=False), ipaddress.ip_network(narrow, strict=False)
    if outer.version != inner.version:
        return False
    return int(outer.network_address) <= int(inner.network_address) and int(inner.broadcast_address) <= int(
        outer.broadcast_address
    )


def _overlap(one: str, two: str) -> bool:
    return _contains(one, two) or _contains(two, one)
