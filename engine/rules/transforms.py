"""Transforms: what an action may do to an event's members.

In: an event's dict. Out: a new dict with the changes. Rule of the file: nothing that somebody else may hold is ever
changed (contexts are shared between events); every object on the way to a change is copied, so a transform that raises
has changed nothing.

The changes are made in the order remove, rename, set, hash, mask. What `set` reads from the event, it reads as the event was
before, so a member can be removed and its parts kept.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import Final

from engine.event import JsonObject
from engine.rules.expressions import Extraction, compile_expression
from engine.rules.model import Extract, FieldRef, Path, Transform
from engine.rules.values import MISSING, Steps, canonical_text, event_steps, follow

MASK: Final = "*"

Change = Callable[[JsonObject], JsonObject]
_Make = Callable[[object], object]


class PathBlocked(Exception):
    """A value cannot be set, because something on the way to it is no object, or an array too short."""


def compile_transform(transform: Transform, source_names: Collection[str]) -> Change:
    """A function that gives a changed copy of an event's dict.

    - `remove` of what is not there does nothing; an array's item is taken out.
    - `rename` moves a value, over what stands at its new place; of what is not there it does nothing.
    - `set` makes the objects on the way. It does nothing where the field to copy is missing or the expression finds
      nothing.
    - `hash` puts the SHA-256, in hex, of the value's text in UTF-8; `mask` keeps the last characters of its text and puts
      a `*` for each other one. The text of a string is itself, of anything else its JSON with sorted members. Missing
      and null stay as they are.

    The function raises ExtractionFailed where an expression does, and PathBlocked where a place cannot be reached.
    """

    def steps(path: Path) -> Steps:
        return event_steps(path, source_names)

    removed = [steps(path) for path in transform.remove]
    renamed = [(steps(old), steps(new)) for old, new in transform.rename]
    settings = [(steps(path), _reader(value, source_names)) for path, value in transform.set]
    hidden = [(steps(path), _hash) for path in transform.hash] + [(steps(path), _mask(keep)) for path, keep in transform.mask]

    def change(data: JsonObject) -> JsonObject:
        values = [(place, read(data)) for place, read in settings]
        draft = _Draft(data)
        for place in removed:
            draft.remove(place)
        for old, new in renamed:
            draft.rename(old, new)
        for place, value in values:
            if value is not MISSING:
                draft.put(place, value)
        for place, make in hidden:
            draft.replace(place, make)
        return draft.data

    return change


def changed_steps(transform: Transform, source_names: Collection[str]) -> list[Steps]:
    """The places, from the event's root, that the transform may change."""
    return [event_steps(path, source_names) for path in _targets(transform)]


def _targets(transform: Transform) -> Iterator[Path]:
    yield from transform.remove
    for pair in transform.rename:
        yield from pair
    yield from (path for path, _ in transform.set)
    yield from transform.hash
    yield from (path for path, _ in transform.mask)


def _reader(value: object, source_names: Collection[str]) -> Extraction:
    match value:
        case FieldRef(path):
            steps = event_steps(path, source_names)
            return lambda data: follow(data, steps)
        case Extract(expression):
            extract = compile_expression(expression, source_names)
            return lambda data: MISSING if (found := extract(data)) is None else found
    return lambda _: value


def _hash(value: object) -> str:
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()


def _mask(keep: int) -> Callable[[object], str]:
    def mask(value: object) -> str:
        text = canonical_text(value)
        hidden = max(len(text) - keep, 0)
        return MASK * hidden + text[hidden:]

    return mask


class _Draft:
    """A copy of an event's dict that copies each container below it once, before the first change in it."""

    def __init__(self, data: JsonObject) -> None:
        self.data = dict(data)
        self._own: set[int] = {id(self.data)}
        self._kept: list[object] = []

    def put(self, steps: Steps, value: object) -> None:
        """Set the value at a place, with the objects on the way there. Raises PathBlocked."""
        parent: object = self.data
        for step in steps[:-1]:
            below = follow(parent, (step,))
            parent = self._set(parent, step, self._owned({} if below is MISSING or below is None else below))
        self._set(parent, steps[-1], value)

    def replace(self, steps: Steps, make: _Make) -> None:
        """Put a value made from the one that is there, where there is one."""
        value = follow(self.data, steps)
        if value is not MISSING and value is not None:
            self.put(steps, make(value))

    def remove(self, steps: Steps) -> None:
        """Take out what is at a place, if anything is."""
        if follow(self.data, steps) is MISSING:
            return
        parent: object = self.data
        for step in steps[:-1]:
            parent = self._set(parent, step, self._owned(follow(parent, (step,))))
        del parent[steps[-1]]  # type: ignore[attr-defined]  # a dict or a list: the place exists

    def rename(self, old: Steps, new: Steps) -> None:
        """Move what is at a place to another one."""
        value = follow(self.data, old)
        if value is not MISSING:
            self.remove(old)
            self.put(new, value)

    def _owned(self, container: object) -> object:
        """The container itself if this draft made it, otherwise a copy that it may change."""
        if id(container) in self._own or not isinstance(container, dict | list):
            return container
        copied: object = container.copy()
        self._own.add(id(copied))
        self._kept.append(copied)  # alive, so that its id stays its own
        return copied

    def _set(self, parent: object, step: str | int, value: object) -> object:
        is_item = isinstance(parent, list) and isinstance(step, int) and -len(parent) <= step < len(parent)
        if not is_item and not (isinstance(parent, dict) and isinstance(step, str)):
            raise PathBlocked(f"`{step}` cannot be set in {type(parent).__name__}: there is no such place")
        parent[step] = value  # type: ignore[index]  # just checked
        return value
