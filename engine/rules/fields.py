"""The reads of an event's fields, written once per event however many rules ask.

In: the paths that conditions and actions name. Out: lines that put each value, or MISSING, into a local variable. Rule
of the file: shared beginnings of paths are read once; the lines are made last, when all paths are known.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from engine.rules.emitter import Emitter
from engine.rules.model import Path
from engine.rules.values import MISSING, Steps, event_steps


@dataclass(slots=True)
class _Node:
    """A value that has a local variable, and what is read out of it."""

    local: str
    children: "dict[tuple[type, str | int], _Node]" = field(default_factory=dict)


class Fields:
    """The fields that one generated function reads.

    The function must have a local `data`, the event's dict, before the lines of `emit_reads`. With `element`, the name
    of a local that holds an array's element, paths start there, except those written with a leading `$.`.
    """

    def __init__(self, emitter: Emitter, source_names: Collection[str], element: str | None = None) -> None:
        self._emitter = emitter
        self._source_names = source_names
        self._event = _Node("data")
        self._element = None if element is None else _Node(element)
        self._missing = emitter.bind(MISSING, "missing")

    def local(self, path: Path) -> str:
        """The name of the local that holds the value at `path`, or MISSING."""
        if self._element is not None and not path.own:
            return self._at(self._element, path.steps)
        return self._at(self._event, event_steps(path, self._source_names))

    def emit_reads(self, changed: Sequence[Steps] | None = None) -> None:
        """Write the reads here, for all fields asked for until the function is made.

        With `changed`, steps from the event's root, write only the reads of what lies on the way to these places, at
        them or below. Items of an array count as one place, since an index can be written in two ways.
        """
        places = None if changed is None else [tuple(itertools.takewhile(_is_member, steps)) for steps in changed]
        self._emitter.later(lambda: self._lines(places))

    def _at(self, node: _Node, steps: Steps) -> str:
        for step in steps:
            key = (type(step), step)
            if key not in node.children:
                node.children[key] = _Node(self._emitter.local("value"))
            node = node.children[key]
        return node.local

    def _lines(self, changed: Sequence[Steps] | None) -> Iterator[str]:
        yield from self._reads(self._event, changed, is_object=True)
        if self._element is not None:
            yield from self._reads(self._element, None)

    def _reads(self, node: _Node, changed: Sequence[Steps] | None, *, is_object: bool = False) -> Iterator[str]:
        wanted = [(step, child) for (_, step), child in node.children.items() if changed is None or _concerns(changed, step)]
        members = [(step, child) for step, child in wanted if isinstance(step, str)]
        if members:
            yield from self._member_reads(node.local, members, is_object=is_object)
        for step, child in wanted:
            if isinstance(step, int):
                yield self._index_read(node.local, step, child.local)
        for step, child in wanted:
            yield from self._reads(child, None if changed is None else _below(changed, step))

    def _member_reads(self, parent: str, members: list[tuple[str, _Node]], *, is_object: bool) -> Iterator[str]:
        reads = [
            f"{child.local} = {parent}.get({self._emitter.bind(step, 'member')}, {self._missing})" for step, child in members
        ]
        if is_object:
            yield from reads
            return
        yield f"if type({parent}) is dict:"
        yield from ("    " + read for read in reads)
        yield "else:"
        yield "    " + " = ".join([*(child.local for _, child in members), self._missing])

    def _index_read(self, parent: str, index: int, local: str) -> str:
        item = self._emitter.bind(index, "index")
        least = self._emitter.bind(index + 1 if index >= 0 else -index, "length")
        return f"{local} = {parent}[{item}] if type({parent}) is list and len({parent}) >= {least} else {self._missing}"


def _is_member(step: str | int) -> bool:
    return isinstance(step, str)


def _concerns(changed: Sequence[Steps], step: str | int) -> bool:
    return any(not steps or steps[0] == step for steps in changed)


def _below(changed: Sequence[Steps], step: str | int) -> Sequence[Steps] | None:
    """The changed places as seen from one step further down; None where all that lies there has changed."""
    inner = [steps[1:] for steps in changed if steps and steps[0] == step]
    return None if not inner or () in inner else inner
