"""JSON values as rules see them: their kinds, where a path leads, their text.

In: values of an event, as the decoder made them. Out: what the interpreter and the generated code must agree on. Rule
of the file: exact types only. A boolean is not a number, and nothing is ever converted to compare it.
"""

import enum
import ipaddress
import json
from collections.abc import Collection
from math import isfinite
from typing import Final, Literal

import orjson

from engine.rules.model import Path
from engine.rules.times import parse_time

Kind = Literal["string", "number", "boolean"]
Steps = tuple[str | int, ...]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Missing(enum.Enum):
    """The type of MISSING."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""What a path yields that leads nowhere; null is None."""

ENRICHMENT: Final = "enrichment"
"""The member of an event that holds one object per source, and `derived`."""
DERIVED: Final = "derived"
STATUS: Final = "status"

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
"""Integers of events are within 64 bits, signed or not."""

KINDS: Final[dict[type, Kind]] = {str: "string", int: "number", float: "number", bool: "boolean"}


def kind_of(value: object) -> Kind | None:
    """The kind of a scalar; None for MISSING, null, arrays and objects."""
    return KINDS.get(type(value))


def same_kind(left: object, right: object) -> bool:
    """Whether both are scalars of one kind."""
    kind = kind_of(left)
    return kind is not None and kind == kind_of(right)


def fold(text: str) -> str:
    """The text as `ignore_case` compares it, on both sides: full Unicode case folding, so `ß` equals `SS`."""
    return text.casefold()


def ordered_pair(left: object, right: object) -> tuple[int | float, int | float] | None:
    """Two values as numbers in the order that lt, lte, gt and gte mean: two numbers, or the instants of two texts.

    None where they have no common order.
    """
    if kind_of(left) == kind_of(right) == "number":
        return left, right  # type: ignore[return-value]  # just checked, by exact type
    if type(left) is str and type(right) is str:
        left_ms, right_ms = parse_time(left), parse_time(right)
        if left_ms is not None and right_ms is not None:
            return left_ms, right_ms
    return None


def read_address(text: str) -> Address | None:
    """The IP address that a text is, or None. An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def event_steps(path: Path, source_names: Collection[str]) -> Steps:
    """The steps of a path from the event's root: a source's name and `derived` lead into `enrichment`."""
    if not path.own and path.steps and (path.steps[0] == DERIVED or path.steps[0] in source_names):
        return (ENRICHMENT, *path.steps)
    return path.steps


def follow(root: object, steps: Steps) -> object:
    """The value at the end of the steps, or MISSING. A negative index counts from the end of an array."""
    value = root
    for step in steps:
        if type(step) is str and type(value) is dict:
            value = value.get(step, MISSING)
        elif type(step) is int and type(value) is list and -len(value) <= step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def canonical_text(value: object) -> str:
    """A text that stands for the value: a string is itself, anything else its JSON with sorted members."""
    return value if type(value) is str else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def is_json_number(number: float) -> bool:
    """Whether an event can hold the number: an integer within 64 bits, signed or not, or a float that is finite."""
    return MIN_INTEGER <= number <= MAX_INTEGER if type(number) is int else isfinite(number)


def json_bytes(value: object) -> bytes:
    """The value as compact JSON. Integers beyond 64 bits, which `orjson` refuses, are written in full: sums grow that far."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
