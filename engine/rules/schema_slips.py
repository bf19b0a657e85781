"""Where something stands in an event schema, and the words in it that only look like words of JSON Schema.

In: the bytes of a schema that is JSON. Out: places and warnings. Rule of the file: an unknown keyword is nothing wrong in JSON Schema, which passes
over it; so only one that can be nothing but a slip is told.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from engine.rules.diagnostics import Edit, Findings, closest, is_sure, shown
from engine.rules.loader import load_yaml
from engine.rules.nodes import Entry, ListNode, MapNode, Node, texts_of
from engine.rules.places import Span

_MAPS_OF_SCHEMAS: Final = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
_SCHEMAS: Final = frozenset((
    "additionalProperties", "unevaluatedProperties", "propertyNames", "items", "additionalItems", "unevaluatedItems", "contains",
    "prefixItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contentSchema",
))  # fmt: skip
_OTHERS: Final = frozenset((
    "$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary", "$comment", "id",
    "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples", "example", "nullable", "discriminator",
    "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
    "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required",
    "dependentRequired", "dependencies", "format", "contentEncoding", "contentMediaType",
))  # fmt: skip
_KEYWORDS: Final = sorted(_MAPS_OF_SCHEMAS | _SCHEMAS | _OTHERS)
_FORMATS: Final = (
    "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri", "uri-reference",
    "iri", "iri-reference", "uri-template", "uuid", "json-pointer", "relative-json-pointer", "regex",
)  # fmt: skip
_SLIPS: Final = {
    "property": "properties", "propertys": "properties", "props": "properties", "require": "required", "max": "maximum", "min": "minimum",
    "regex": "pattern", "timestamp": "date-time",
}  # fmt: skip
"""What is no word of JSON Schema, and not near enough to the one that is meant."""

_MAX_GUESSES: Final = 300
"""So many unknown words are compared with the known ones: that is slow, and nobody reads on."""


class _Word(NamedTuple):
    """A word that is none of the `known` ones, and what is the matter with that."""

    text: str
    span: Span
    known: Collection[str]
    fault: str


def place_in(path: str, data: bytes, steps: Sequence[str | int]) -> Span:
    """Where the value at these steps of a JSON document stands; its start, where the steps lead nowhere."""
    start = Span(path, 1, 1, 1, 1)
    node: Node | None = load_yaml(path, data, Findings())
    for step in steps:
        if isinstance(node, MapNode):
            node = node.get(str(step))
        elif isinstance(node, ListNode) and isinstance(step, int):
            node = node.items[step]
        else:
            return start
    return start if node is None or not steps else node.span


def find_slips(path: str, data: bytes, findings: Findings) -> None:
    """Warn of misspelt keywords and formats, of members that are required under a misspelt name, and of a member written twice."""
    yaml_faults = Findings()
    schemas = list(_schemas_in(load_yaml(path, data, yaml_faults)))
    findings.extend(found for found in yaml_faults.in_order() if found.code == "E103")
    for word in islice(_unknown_words(schemas), _MAX_GUESSES):
        near = closest(word.text, word.known)
        if near is None or not is_sure(word.text, near, word.known):
            near = _SLIPS.get(word.text)
        if near in word.known:
            edits = (Edit(word.span, f'"{near}"'),)
            findings.add("W627", f"`{shown(word.text)}` {word.fault}", word.span, help=f"did you mean `{near}`?", edits=edits)


def _unknown_words(schemas: Sequence[MapNode]) -> Iterator[_Word]:
    """What is none of the words that may stand where it does."""
    declared = {entry.key for schema in schemas for entry in _members(schema)}
    for schema in schemas:
        for entry in schema.entries:
            if entry.key not in _KEYWORDS:
                yield _Word(entry.key, entry.key_span, _KEYWORDS, "is no keyword of JSON Schema, which passes over it")
            elif entry.key == "format":
                yield from (
                    _Word(*text, _FORMATS, "is no format that is checked")
                    for text in texts_of(entry.value)
                    if text[0] not in _FORMATS
                )
        required = dict(texts_of(schema.get("required")))
        missing = [name for name in required if name not in declared]
        others = [entry.key for entry in _members(schema) if entry.key not in required] if missing else []
        yield from (_Word(name, required[name], others, "is required and not declared: no event has it") for name in missing)


def _members(schema: MapNode) -> tuple[Entry, ...]:
    properties = schema.get("properties")
    return properties.entries if isinstance(properties, MapNode) else ()


def _schemas_in(node: Node | None) -> Iterator[MapNode]:
    """The schema itself and every schema in it. The loader has bounded how deep they are."""
    if isinstance(node, ListNode):
        for item in node.items:
            yield from _schemas_in(item)
    if not isinstance(node, MapNode):
        return
    yield node
    for entry in node.entries:
        if entry.key in _SCHEMAS:
            yield from _schemas_in(entry.value)
        elif entry.key in _MAPS_OF_SCHEMAS and isinstance(entry.value, MapNode):
            for inner in entry.value.entries:
                yield from _schemas_in(inner.value)
