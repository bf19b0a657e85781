"""The fields that a JMESPath expression reads of an event.

In: an expression that compiles, and where it stands. Out: paths with their own places. Rule of the file: only what is read from the event itself
counts; what follows a projection, a pipe or `&` starts somewhere else, and is left out.
"""

import re
from collections.abc import Iterator
from typing import Final

import jmespath

from engine.rules.model import Path
from engine.rules.nodes import ScalarNode
from engine.rules.places import Span

_OF_THE_EVENT: Final = frozenset(
    (
        "comparator",
        "or_expression",
        "and_expression",
        "not_expression",
        "function_expression",
        "multi_select_list",
        "multi_select_dict",
        "key_val_pair",
    )
)
_FIRST_ONLY: Final = frozenset(
    ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe")
)


def expression_paths(node: ScalarNode) -> tuple[Path, ...]:
    """The paths in the expression that `node` holds, in order; those written with odd names or over several lines are left out."""
    start = _start(node)
    if start is None:
        return ()
    line, col = start
    paths = []
    for steps in dict.fromkeys(_read(jmespath.compile(node.text).parsed)):
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
        found = re.search(rf"(?<![\w.\]\"'`]){re.escape(text)}(?![\w\"'`])", node.text)
        if found:
            span = Span(node.span.file, line, col + found.start(), line, col + found.end())
            paths.append(Path(text, steps, span=span))
    return tuple(paths)


def _start(node: ScalarNode) -> tuple[int, int] | None:
    """Line and column of the first character, where each character of the text is one of the file."""
    span = node.span
    quotes = 0 if node.plain else 1
    whole = span.line == span.end_line and span.end_col - span.col == len(node.text) + 2 * quotes
    return (span.line, span.col + quotes) if whole else None


def _read(tree: object) -> Iterator[tuple[str | int, ...]]:
    match tree:
        case {"type": str() as kind, "children": [*children]}:
            steps = _steps(tree)
            if steps is not None:
                yield steps
            elif kind in _OF_THE_EVENT:
                for child in children:
                    yield from _read(child)
            elif kind in _FIRST_ONLY and children:
                yield from _read(children[0])


def _steps(tree: object) -> tuple[str | int, ...] | None:
    match tree:
        case {"type": "field" | "index", "value": str() | int() as step}:
            return (step,)
        case {"type": "subexpression" | "index_expression", "children": [first, second]}:
            before, after = _steps(first), _steps(second)
            return None if before is None or after is None else before + after
    return None
