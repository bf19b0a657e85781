"""Where something stands in an event schema, and the words in it that only look like words of JSON Schema.

In: the bytes of a schema that is JSON. Out: places and warnings. Rule of the file: an unknown keyword is nothing wrong in JSON Schema, which passes
over it; so only one that can be nothing but a slip is told.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from engine.rules.diagnostics import Edit, Findings, closest, is_sure, shown
from engine.rules.loader import load_yaml
from engine.rules.nodes import ListNode, MapNode, Node, ScalarNode
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


def place_in(path: str, data: bytes, steps: Sequence[str]) -> Span:
    """Where the value at these steps of a JSON document stands; its start, where the steps lead nowhere."""
    start = Span(path, 1, 1, 1, 1)
    node: Node | None = load_yaml(path, data, Findings())
    for step in steps:
        if isinstance(node, MapNode):
            node = node.get(step)
        elif isinstance(node, ListNode) and step.isdigit() and int(step) < len(node.items):
            node = node.items[int(step)]
        else:
            return start
    return start if node is None or not steps else node.span


def find_slips(path: str, data: bytes, findings: Findings) -> None:
    """Warn of misspelt keywords and formats, of members that are required under a misspelt name, and of a member written twice."""
    yaml_faults = Findings()
    node = load_yaml(path, data, yaml_faults)
    findings.extend(found for found in yaml_faults.in_order() if found.code == "E103")
    for schema in _schemas_in(node):
        for entry in schema.entries:
            _check(entry.key, entry.key_span, _KEYWORDS, "is no keyword of JSON Schema, which passes over it", findings)
            if entry.key == "format":
                for name, span in _texts(entry.value):
                    _check(name, span, _FORMATS, "is no format that is checked", findings)
        declared = schema.get("properties")
        members = [entry.key for entry in declared.entries] if isinstance(declared, MapNode) else []
        required = schema.get("required")
        for name, span in _texts(required):
            others = [member for member in members if member not in dict(_texts(required))]
            if name not in members:
                _check(name, span, others, "is required and not declared: no event has it", findings)


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


def _texts(node: Node | None) -> Iterator[tuple[str, Span]]:
    for item in node.items if isinstance(node, ListNode) else (node,):
        if isinstance(item, ScalarNode) and isinstance(item.value, str):
            yield item.value, item.span


def _check(word: str, span: Span, known: Sequence[str], fault: str, findings: Findings) -> None:
    if word in known:
        return
    near = closest(word, known)
    sure = near is not None and is_sure(word, near, known)
    if not sure and _SLIPS.get(word) in known:
        near, sure = _SLIPS[word], True
    if sure:
        edits = (Edit(span, f'"{near}"'),)
        findings.add("W627", f"`{shown(word)}` {fault}", span, help=f"did you mean `{near}`?", edits=edits)
