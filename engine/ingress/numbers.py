"""Integers beyond 64 bits: the decoder would turn them into floats and lose digits, so they are found before.

In: bytes of JSON that the decoder took. Out: whether one may be in there, for little, and where, exactly.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

from engine.rules.schemas import json_pointer

_SHORTEST: Final = b"0" * 19
_DIGITS_TO_ZERO: Final = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_LONGEST_CHARS: Final = 20
_MIN: Final = -(2**63)
_MAX: Final = 2**64 - 1
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]+|\\.)*"|[\[\]{},]', re.DOTALL)


class _Large(str):
    """The digits of an integer beyond 64 bits."""

    __slots__ = ()


def may_hold_large_integer(raw: bytes) -> bool:
    """False where no integer beyond 64 bits can be in `raw`. Digits in strings may make it True."""
    return _SHORTEST in raw.translate(_DIGITS_TO_ZERO)


def find_large_integer(raw: bytes) -> tuple[str, str] | None:
    """The JSON pointer and the digits of the first integer beyond 64 bits in one JSON value; None without one.

    `raw` is JSON, nested less deeply than Python's own limit on recursion.
    """
    if not may_hold_large_integer(raw):
        return None
    return _first_large(json.loads(raw, parse_int=_integer), [])


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array that is not empty, each as its own bytes."""
    elements: list[bytes] = []
    depth = begin = 0
    for token in _STRUCTURE.finditer(body):
        kind = token[0]
        if kind in (b"[", b"{"):
            depth += 1
            begin = token.end() if depth == 1 else begin
        elif depth == 1 and kind in (b",", b"]"):
            elements.append(body[begin : token.start()])
            begin = token.end()
        if kind in (b"]", b"}"):
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
