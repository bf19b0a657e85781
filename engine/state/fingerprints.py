"""Fingerprints of claims' keys, for stores that keep what is committed in a short form.

In: keys, and checksums of contents. Out: whole numbers. Rule of the file: the same text gives the same numbers for ever, for they are a
format on disk.
"""

import struct
from hashlib import blake2b
from typing import Final

_PARTS: Final = struct.Struct("<QII")
_HALF_64: Final = 1 << 63
_HALF_32: Final = 1 << 31
_ALL_32: Final = (1 << 32) - 1


class Fingerprints:
    """Takes fingerprints. With fewer `bits` than 64, false copies are often enough to be counted, which is what tests do."""

    def __init__(self, bits: int = 64) -> None:
        self._shift = 64 - bits

    def of(self, key: str, checksum: int) -> str:
        """Three numbers as text: the fingerprint of the key, signed, of 64 bits; which set it is kept in, of 32; and its content, signed, of 32.

        The first two are the key's alone. Two contents of one key never share the third, if their checksums differ.
        """
        number, place, salt = _PARTS.unpack(blake2b(key.encode(), digest_size=16).digest())
        return f"{(number >> self._shift) - _HALF_64} {place} {((salt ^ checksum) & _ALL_32) - _HALF_32}"
