"""Integers beyond 64 bits: decoded, they would become floats and lose digits, so the bytes are looked at.

In: bytes of JSON that the decoder takes. Out: whether one may be in there, for little, and where one is, exactly. Rule of the file:
the cheap look never misses one; it may be wrong the other way.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from engine.rules.schemas import json_pointer

_BLOCK_ITEMS: Final = 64
_BLOCK_BYTES: Final = 1 << 15
_SHORTEST: Final = b"0" * 19
_DIGITS_TO_ZERO: Final = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
_LONGEST_CHARS: Final = 20
_MIN: Final = -(2**63)
_MAX: Final = 2**64 - 1
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]+|\\.)*"|[\[\]{},]', re.DOTALL)


class _Large(str):
    """The digits of an integer beyond 64 bits."""

    __slots__ = ()


def has_long_digits(raw: bytes) -> bool:
    """False where `raw` surely holds no integer beyond 64 bits. Long digits in strings make it True as well."""
    # Blocks of this size stay in the processor's cache; they overlap, so that no run of digits falls between two.
    blocks = range(0, len(raw), _BLOCK_BYTES)
    return any(_SHORTEST in raw[at : at + _BLOCK_BYTES + len(_SHORTEST)].translate(_DIGITS_TO_ZERO) for at in blocks)


def any_has_long_digits(items: Sequence[object]) -> bool:
    """Whether `has_long_digits` holds for one of the items that are bytes."""
    texts = [item for item in items if type(item) is bytes]
    return any(has_long_digits(b" ".join(texts[at : at + _BLOCK_ITEMS])) for at in range(0, len(texts), _BLOCK_ITEMS))


def find_large_integer(raw: bytes) -> tuple[str, str] | None:
    """The JSON pointer and the digits of the first integer beyond 64 bits in one JSON value; None without one.

    `raw` is JSON, nested less deeply than Python's own limit on recursion.
    """
    if not has_long_digits(raw):
        return None
    return _first_large(json.loads(raw, parse_int=_integer), [])


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array that has some, each as its own bytes."""
    elements: list[bytes] = []
    depth = begin = 0
    for token in _STRUCTURE.finditer(body):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
            begin = token.end() if depth == 1 else begin
        elif depth == 1 and mark in (b",", b"]"):
            elements.append(body[begin : token.start()])
            begin = token.end()
        if mark in (b"]", b"}"):
            depth -= 1
    return elements


def _integer(digits: str) -> int | _Large:
    if len(digits) <= _LONGEST_CHARS and _MIN <= int(digits) <= _MAX:
        return int(digits)
    return _Large(digits)


def _first_large(value: object, steps: list[str | int]) -> tuple[str, str] | None:
    if isinstance(value, _Large):
        return json_pointer(steps), str(value)
    members: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for step, member in members:
        found = _first_large(member, [*steps, step])
        if found:
            return found
    return None
