"""JMESPath where values are extracted: in derived fields and in transforms, never as a condition.

In: the text of an expression. Out: a function of an event's dict. Rule of the file: an expression sees names as paths
do, enrichment sources and `derived` before the event's own members. A plain path, as most expressions are, is followed here; whatever
is more goes to the library, with a document made for it, at ten times the cost.
"""

from collections.abc import Callable, Collection
from itertools import chain

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from engine.event import JsonObject
from engine.rules.values import DERIVED, ENRICHMENT, is_json_number

Extraction = Callable[[JsonObject], object]


class ExtractionFailed(Exception):
    """An expression met a value that it cannot work on. The event is as it was."""


def compile_expression(text: str, source_names: Collection[str]) -> Extraction:
    """A function that finds the expression's value in an event; None where it finds nothing.

    The function raises ExtractionFailed where the expression raises: the functions of JMESPath insist on types. Raises
    JMESPathError where `text` is no expression.
    """
    expression = jmespath.compile(text)
    context_names = (*source_names, DERIVED)
    steps = _plain_steps(expression.parsed)
    if steps is not None:
        return _path(steps, context_names)
    search = expression.search

    def extract(data: JsonObject) -> object:
        try:
            return _in_json(search(_document(data, context_names)))
        except (JMESPathError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
            raise ExtractionFailed(f"`{text}`: {error}") from error

    return extract


def _in_json(found: object) -> object:
    """What was found, where an event can hold it. Raises ValueError: functions make numbers that no JSON of ours has."""
    if isinstance(found, int | float):
        if not is_json_number(found):
            raise ValueError("its value is beyond the numbers that events can hold")
    elif not isinstance(found, str):
        orjson.dumps(found)
    return found


def _plain_steps(parsed: object) -> tuple[str | int, ...] | None:
    """The members and places that a syntax tree asks for, one after the other; None where it is more than such a path."""
    match parsed:
        case {"type": "field" | "index", "value": str() | int() as step}:
            return (step,)
        case {"type": "subexpression" | "index_expression", "children": [*parts]}:
            paths = [_plain_steps(part) for part in parts]
            return None if None in paths else tuple(chain.from_iterable(filter(None, paths)))
    return None


def _path(steps: tuple[str | int, ...], context_names: Collection[str]) -> Extraction:
    """What the library does for such an expression: null for what is not there, or is in something of another type."""
    in_context = steps[0] in context_names

    def extract(data: JsonObject) -> object:
        value: object = data.get(ENRICHMENT) if in_context else data
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    return extract


def _document(data: JsonObject, context_names: Collection[str]) -> JsonObject:
    document = dict(data)
    context = data.get(ENRICHMENT)
    for name in context_names:
        document.pop(name, None)
        if isinstance(context, dict) and name in context:
            document[name] = context[name]
    return document
