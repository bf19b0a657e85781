"""YAML as nodes that know their place.

In: what `loader.py` read. Out: scalars, lists and maps for the parser. Rule of the file: frozen values; a node never changes and may
stand in several places (an alias). They are tuples because these are made fastest; only their names are used.
"""

from collections.abc import Iterator
from typing import NamedTuple

from engine.rules.model import Scalar
from engine.rules.places import Span


class ScalarNode(NamedTuple):
    """One value by the YAML 1.2 core schema; `text` is how it was written, `plain` whether without quotes."""

    value: Scalar | None
    text: str
    plain: bool
    span: Span


class ListNode(NamedTuple):
    """A sequence."""

    items: "tuple[Node, ...]"
    span: Span


class Entry(NamedTuple):
    """One `key: value` of a map."""

    key: str
    key_span: Span
    value: "Node"


class MapNode(NamedTuple):
    """A mapping, its entries in the order written; no key stands in it twice."""

    entries: tuple[Entry, ...]
    span: Span

    def get(self, key: str) -> "Node | None":
        """The value under `key`, or None."""
        for entry in self.entries:  # a loop: half the time of a generator, and there are many small maps
            if entry.key == key:
                return entry.value
        return None


Node = ScalarNode | ListNode | MapNode


def plain_value(node: Node) -> object:
    """The node as plain dicts, lists and scalars."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain_value(item) for item in node.items]
        case MapNode():
            return {entry.key: plain_value(entry.value) for entry in node.entries}


def texts_of(node: Node | None) -> Iterator[tuple[str, Span]]:
    """One text, or those of a list, with their places."""
    for item in node.items if isinstance(node, ListNode) else (node,):
        if isinstance(item, ScalarNode) and isinstance(item.value, str):
            yield item.value, item.span


def kind_of(node: Node) -> str:
    """What the node is, in words: `a map`, `a list`, `text`, `a number`, `true or false`, `null`."""
    match node:
        case MapNode():
            return "a map"
        case ListNode():
            return "a list"
        case ScalarNode(value=None):
            return "null"
        case ScalarNode(value=bool()):
            return "true or false"
        case ScalarNode(value=str()):
            return "text"
        case ScalarNode():
            return "a number"


def is_null(node: Node) -> bool:
    """Whether the node is `null`, `~` or nothing at all."""
    return isinstance(node, ScalarNode) and node.value is None
