"""The names that rule tests use, each with its place.

In: the nodes of a test. Out: `Mention`s. Rule of the file: it reads forms that may be wrong; `parse_tests.py` has told what is wrong with them.
"""

from collections.abc import Iterator
from typing import Final

from engine.rules.nodes import ListNode, MapNode, Node, texts_of
from engine.rules.places import Mention

_NAMED: Final = {
    "filter": "filter",
    "filters": "filter",
    "not_filters": "filter",
    "routes": "route",
    "aggregation": "aggregation",
}
"""Keys of an `expect`, and what their names are names of."""


def mentions_in(test: MapNode) -> tuple[Mention, ...]:
    """Every name of a filter, route, aggregation, measure, source or field in a test, in the order written."""
    found = [*_event(test.get("event")), *_sources(test.get("given")), *_expected(test.get("expect"))]
    steps = test.get("steps")
    for step in steps.items if isinstance(steps, ListNode) else ():
        if isinstance(step, MapNode):
            found += [*_event(step.get("send")), *_sources(step.get("source")), *_expected(step.get("expect"))]
    return tuple(found)


def _event(node: Node | None) -> Iterator[Mention]:
    event = (node.get("template") or node) if isinstance(node, MapNode) else None
    for entry in event.entries if isinstance(event, MapNode) else ():
        yield Mention("member", entry.key, entry.key_span)


def _sources(node: Node | None) -> Iterator[Mention]:
    for entry in node.entries if isinstance(node, MapNode) else ():
        yield Mention("source", entry.key, entry.key_span)
        for field in entry.value.entries if isinstance(entry.value, MapNode) else ():
            yield Mention("field", field.key, field.key_span, entry.key)


def _expected(node: Node | None) -> Iterator[Mention]:
    if not isinstance(node, MapNode):
        return
    for entry in node.entries:
        for name, span in texts_of(entry.value) if entry.key in _NAMED else ():
            yield Mention(_NAMED[entry.key], name, span)
    aggregation, revision, values = node.get("aggregation"), node.get("revision"), node.get("values")
    for name, _ in texts_of(aggregation):
        if revision is not None:
            yield Mention("revision", "revision", revision.span, name)
        for entry in values.entries if isinstance(values, MapNode) else ():
            yield Mention("measure", entry.key, entry.key_span, name)
