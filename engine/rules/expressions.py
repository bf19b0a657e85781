"""JMESPath where values are extracted: in derived fields and in transforms, never as a condition.

In: the text of an expression. Out: a function of an event's dict. Rule of the file: an expression sees names as paths
do, enrichment sources and `derived` before the event's own members.
"""

from collections.abc import Callable, Collection

import jmespath
from jmespath.exceptions import JMESPathError

from engine.event import JsonObject
from engine.rules.values import DERIVED, ENRICHMENT

Extraction = Callable[[JsonObject], object]


class ExtractionFailed(Exception):
    """An expression met a value that it cannot work on. The event is as it was."""


def compile_expression(text: str, source_names: Collection[str]) -> Extraction:
    """A function that finds the expression's value in an event; None where it finds nothing.

    The function raises ExtractionFailed where the expression raises: the functions of JMESPath insist on types. Raises
    JMESPathError where `text` is no expression.
    """
    search = jmespath.compile(text).search
    context_names = (*source_names, DERIVED)

    def extract(data: JsonObject) -> object:
        try:
            return search(_document(data, context_names))
        except (JMESPathError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
            raise ExtractionFailed(f"`{text}`: {error}") from error

    return extract


def _document(data: JsonObject, context_names: Collection[str]) -> JsonObject:
    document = dict(data)
    context = data.get(ENRICHMENT)
    for name in context_names:
        document.pop(name, None)
        if isinstance(context, dict) and name in context:
            document[name] = context[name]
    return document
