"""How state is written in Redis: the names of keys, and the forms of claims and partials.

Rule of the file: this is a format on disk. Every key begins with the prefix and a letter for its kind; the part in braces decides where a
cluster keeps it: one of 64 numbers for claims and groups, so that one call serves many of them, and the owner's name for its record.
"""

import struct
from binascii import crc_hqx
from collections.abc import Mapping
from typing import Final

from engine.ports import Claim, Group, Partial, StoredPartial

TAGS: Final = 64
_HEAD: Final = struct.Struct(">QQI")
"""The number of the batch, the number before it, and how long the value of the first is."""


class RedisKeys:
    """The names of all keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._claims = [f"{prefix}:c:{{{tag:02}}}:".encode() for tag in range(TAGS)]
        self._directories = [f"{prefix}:d:{{{tag:02}}}:".encode() for tag in range(TAGS)]
        self._groups = [f"{prefix}:a:{{{tag:02}}}:" for tag in range(TAGS)]
        self._windows = [f"{prefix}:w:{{{tag:02}}}:" for tag in range(TAGS)]
        self._notes = [f"{prefix}:n:{{{tag:02}}}:" for tag in range(TAGS)]

    def owner(self, owner: str) -> bytes:
        """An owner's record."""
        return f"{self._prefix}:o:{{{owner}}}".encode()

    def claim(self, key: str) -> tuple[int, bytes]:
        """A claim's tag and key."""
        text = key.encode()
        tag = crc_hqx(text, 0) % TAGS
        return tag, self._claims[tag] + text

    def form(self) -> bytes:
        """The key that says in which form claims are kept."""
        return f"{self._prefix}:m".encode()

    def directory(self, tag: int, key: str) -> bytes:
        """The directory of the buckets that a claim's fingerprint goes into: those of one event type and tag. The buckets' names begin with it."""
        kind, colon, _ = key.partition(":")
        return self._directories[tag] + kind.encode() if colon else self._directories[tag]

    def group(self, group: Group) -> tuple[int, bytes]:
        """The tag and key of one group and window."""
        tag, name, _ = self.group_and_windows(group)
        return tag, name

    def group_and_windows(self, group: Group) -> tuple[int, bytes, bytes]:
        """What `group` and `windows` of its key have: they have one tag."""
        tag, text = _tagged(group.aggregation, group.key)
        return tag, f"{self._groups[tag]}{text}:{group.start_ms}".encode(), f"{self._windows[tag]}{text}".encode()

    def windows(self, aggregation: str, key: str) -> tuple[int, bytes]:
        """The tag and key of the list of windows that there are of one key."""
        tag, text = _tagged(aggregation, key)
        return tag, f"{self._windows[tag]}{text}".encode()

    def note(self, window: Group) -> tuple[int, bytes]:
        """The tag and key of the list of notes that a window's stands in."""
        tag, _ = _tagged(window.aggregation, window.key)
        return tag, f"{self._notes[tag]}{window.aggregation}".encode()

    def all_notes(self, aggregation: str) -> list[bytes]:
        """The keys of the lists that may have notes of an aggregation's windows."""
        return [f"{notes}{aggregation}".encode() for notes in self._notes]

    def all_windows(self, aggregation: str) -> bytes:
        """A pattern for the lists of all keys of an aggregation; nothing in it but `*` and `?` is special."""
        return f"{self._prefix}:w:{{??}}:{aggregation}:*".encode()

    def key_of_windows(self, aggregation: str, name: bytes) -> str:
        """The key that a list of windows is of."""
        return name.decode()[len(self._windows[0]) + len(aggregation) + 1 :]

    def fence(self, beside: bytes) -> bytes:
        """A key of no meaning in the same slot as another."""
        tag = beside[beside.index(b"{") : beside.index(b"}") + 1]
        return f"{self._prefix}:f:".encode() + tag


def write_claim(claim: Claim) -> str:
    """A claim as it is stored: `OWNER SEQ CHECKSUM MARK TAKEOVERS`."""
    return f"{claim.owner} {claim.seq} {claim.checksum} {claim.mark} {claim.takeovers}"


def read_claim(value: bytes) -> Claim:
    """A claim as `write_claim` wrote it."""
    owner, seq, checksum, mark, takeovers = value.decode().split(" ")
    return Claim(owner, int(seq), int(checksum), mark, int(takeovers))


def write_partial(partial: Partial) -> bytes:
    """A partial as it is stored, in the field of its owner; the batch number comes first."""
    return _HEAD.pack(partial.seq, partial.prev_seq, len(partial.now)) + partial.now + partial.prev


def read_partial(group: Group, owner: str, value: bytes, bases: tuple[bytes, bytes]) -> StoredPartial:
    """A partial as `write_partial` wrote it, and its bases as they are."""
    seq, prev_seq, length = _HEAD.unpack_from(value)
    middle = _HEAD.size + length
    return StoredPartial(group, owner, seq, value[_HEAD.size : middle], prev_seq, value[middle:], bases)


def read_partials(group: Group, fields: Mapping[bytes, bytes]) -> list[StoredPartial]:
    """All owners' partials of a group, of which these are all fields: `OWNER`, and its bases at `1:OWNER` and `2:OWNER`."""
    return [
        read_partial(group, name.decode(), value, (fields.get(b"1:" + name, b""), fields.get(b"2:" + name, b"")))
        for name, value in fields.items()
        if b":" not in name
    ]


def write_note(window: Group) -> str:
    """A window as its note stands in a list of one aggregation's: `START KEY`."""
    return f"{window.start_ms} {window.key}"


def read_note(aggregation: str, value: bytes) -> Group:
    """A note as `write_note` wrote it."""
    start, _, key = value.decode().partition(" ")
    return Group(aggregation, key, int(start))


def _tagged(aggregation: str, key: str) -> tuple[int, str]:
    text = f"{aggregation}:{key}"
    return crc_hqx(text.encode(), 0) % TAGS, text
