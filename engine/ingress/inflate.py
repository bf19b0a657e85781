"""Compressed bodies, unpacked piece by piece.

In: chunks of a body. Out: pieces of what was packed, none larger than a bound, so that whoever takes them can stop at any time.
Rule of the file: nothing is kept but what the decompressor itself needs, whatever the body unpacks to.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from engine.ingress.problems import RequestRefused

PIECE_BYTES: Final = 1 << 16
"""The most that comes out at once."""

_ZLIB: Final = zlib.MAX_WBITS
_GZIP: Final = zlib.MAX_WBITS | 16
_FORMATS: Final[Mapping[str, int]] = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}

ENCODINGS: Final = ("gzip", "deflate")
"""The content encodings that are taken."""


class Plain:
    """A body that is sent as it is."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """The chunk."""
        return (chunk,)

    def finish(self) -> None:
        """The body has ended."""


class Inflater:
    """Unpacks one body of the encoding `gzip` (one member or several, padded with zeros or not) or `deflate` (RFC 1950)."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._format = _FORMATS[encoding]
        self._member = zlib.decompressobj(self._format)

    @staticmethod
    def knows(encoding: str) -> bool:
        """Whether bodies of this encoding can be unpacked."""
        return encoding in _FORMATS

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What comes out for the next chunk; a piece may be empty. Raises RequestRefused for what is not of the encoding."""
        piece = b""
        while chunk or len(piece) == PIECE_BYTES:
            if self._member.eof:
                chunk = self._next_member(chunk)
                if not chunk:
                    return
            try:
                piece = self._member.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise self._refused(f"{str(error).rpartition(': ')[2]}; send it again, or uncompressed") from None
            yield piece
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """The body has ended. Raises RequestRefused where it was cut short."""
        if not self._member.eof:
            raise self._refused("it is cut short; send all of it")

    def _next_member(self, chunk: bytes) -> bytes:
        """Begin another member, unless nothing but padding is left."""
        chunk = chunk.lstrip(b"\0")
        if chunk and self._format == _ZLIB:
            raise self._refused("something follows its end; send nothing after it")
        if chunk:
            self._member = zlib.decompressobj(self._format)
        return chunk

    def _refused(self, why: str) -> RequestRefused:
        return RequestRefused(400, "bad_compression", f"the body cannot be unpacked as `{self._encoding}`: {why}")
