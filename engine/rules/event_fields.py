"""What is known of the fields of events: their types, their values, whether they are always there.

In: a ruleset with its schemas, sources and derived fields. Out: facts about a path. Rule of the file: a fact holds for every event that the
schemas let in; where a schema says too much to follow (`anyOf`, `if` …), nothing is claimed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from engine.rules.diagnostics import closest
from engine.rules.model import Derived, Path, Ruleset, Test, Transform
from engine.rules.timezones import PARTS_OF_DAY
from engine.rules.uses import conditions_of, derived_paths, leaves, read_by, transforms_of
from engine.rules.values import DERIVED, ENRICHMENT

_SCHEMA_KEYWORDS_NOT_FOLLOWED: Final = (
    "anyOf",
    "oneOf",
    "allOf",
    "if",
    "not",
    "dependentSchemas",
    "patternProperties",
    "$dynamicRef",
)
_MAX_REFERENCES: Final = 32
_HOURS: Final = tuple(range(24))
_NUMBER: Final = frozenset(("number",))
_STRING: Final = frozenset(("string",))


@dataclass(frozen=True, slots=True)
class Root:
    """A place in a schema document from which paths start."""

    document: Mapping[str, object]
    node: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of one path under one root.

    `declared`: the schema describes it. `undeclared`: it does not, but lets it pass. `impossible`: it never occurs.
    `open`: nothing is known. `types` are JSON Schema's (an integer counts as a number), None where any; `values` the only
    ones it has; `names` the members known beside it, and `reason` why it is impossible.
    """

    status: Literal["declared", "undeclared", "impossible", "open"]
    types: frozenset[str] | None = None
    values: tuple[object, ...] | None = None
    always: bool = False
    root: Root | None = None
    names: tuple[str, ...] = ()
    reason: str = ""


OPEN: Final = Fact("open")


class EventFields:
    """The fields of one ruleset's events. `known_names` are what a path may begin with."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._written = frozenset(step for _, transform in transforms_of(ruleset) for step in _written_members(transform))
        self.known_names = self._known_names()
        self._declaring: dict[str | int, set[str]] = {}
        for name, event_type in ruleset.events.types.items():
            for member in _properties(event_type.schema or {}):
                self._declaring.setdefault(member, set()).add(name)
        self._facts: dict[tuple[Path, frozenset[str] | None], list[Fact]] = {}

    def is_written(self, path: Path) -> bool:
        """Whether some transform may change what stands there."""
        return path.steps[0] in self._written

    @property
    def type_names(self) -> frozenset[str]:
        """The declared event types."""
        return frozenset(self._ruleset.events.types)

    def types_declaring(self, path: Path) -> frozenset[str]:
        """The event types whose schemas declare the member that the path begins with."""
        return frozenset(self._declaring.get(path.steps[0], ()) if path.steps else ())

    def facts(self, path: Path, types: frozenset[str] | None) -> list[Fact]:
        """One fact for each of these event types; None is all of them, undeclared ones too where those pass."""
        if (path, types) not in self._facts:
            self._facts[path, types] = self._find_facts(path, types)
        return self._facts[path, types]

    def _find_facts(self, path: Path, types: frozenset[str] | None) -> list[Fact]:
        if len(path.steps) > 1 and path.steps[0] == ENRICHMENT and path.steps[1] in {DERIVED, *self._ruleset.enrichment.sources}:
            path = replace(path, steps=path.steps[1:], own=False)  # what records call it; conditions may as well
        first = path.steps[0] if path.steps else ""
        from_enrichment = not path.own and (first == DERIVED or first in self._ruleset.enrichment.sources)
        if first in self._written or (from_enrichment and ENRICHMENT in self._written):
            return [OPEN]
        if not path.own and first in self._ruleset.enrichment.sources:
            return [self._source_fact(path)]
        if not path.own and first == "derived":
            return [self._derived_fact(path)]
        facts = [OPEN if root is None else follow(root, path.steps) for root in self.roots(types)]
        return [replace(fact, always=True) for fact in facts] if self._is_asked_for(path, types) else facts

    def _is_asked_for(self, path: Path, types: frozenset[str] | None) -> bool:
        """Whether events without this field are refused whatever their schemas say."""
        if path.steps in (self._ruleset.events.type.steps, self._ruleset.events.time.steps):
            return True
        rules = [self._ruleset.deduplication.get(name) for name in types or ()]
        return bool(rules) and all(rule is not None and path.steps in [key.steps for key in rule.key] for rule in rules)

    def roots(self, types: frozenset[str] | None) -> Iterator[Root | None]:
        """The schema of each type; None where a type has none."""
        for name, event_type in self._ruleset.events.types.items():
            if types is None or name in types:
                yield None if event_type.schema is None else Root(event_type.schema, event_type.schema)
        if types is None and self._ruleset.events.unknown_types == "pass":
            yield None

    def _known_names(self) -> tuple[str, ...]:
        """What a path may begin with: members that schemas declare, sources and what they take over, and `derived`."""
        names: dict[str, None] = dict.fromkeys((*self._ruleset.enrichment.sources, "derived"))
        for root in self.roots(None):
            names.update(dict.fromkeys(_properties(root.node) if root else ()))
        for source in self._ruleset.enrichment.sources.values():
            names.update(dict.fromkeys(f"{source.name}.{field}" for field in source.fields))
        names.update(dict.fromkeys(f"derived.{name}" for name in self._ruleset.enrichment.derived))
        return tuple(names)

    def _source_fact(self, path: Path) -> Fact:
        source = self._ruleset.enrichment.sources[str(path.steps[0])]
        if len(path.steps) < 2:
            return Fact("declared", frozenset(("object",)))
        if not source.fields:
            return OPEN
        if path.steps[1] in source.fields:
            return Fact("declared")
        near = closest(str(path.steps[1]), source.fields)
        if near is not None and self._reads[source.name, near] == 0 and self._reads[source.name, path.steps[1]] > 1:
            reason = f"`fields` of `{source.name}` has `{near}`, which nothing reads: one of the two names is misspelt"
            return Fact("impossible", reason=reason)
        return Fact("impossible", names=source.fields, reason=f"the source `{source.name}` has no such field")

    @cached_property
    def _reads(self) -> Counter[tuple[str | int, ...]]:
        """How often the ruleset reads which member of which source."""
        return Counter(path.steps[:2] for path in _read_paths(self._ruleset) if not path.own)

    def _derived_fact(self, path: Path) -> Fact:
        known = self._ruleset.enrichment.derived
        if len(path.steps) < 2:
            return Fact("declared", frozenset(("object",)))
        derived = known.get(str(path.steps[1]))
        if derived is None:
            return Fact("impossible", names=tuple(known), reason="no derived field of that name is declared")
        if len(path.steps) > 2 and derived.kind != "jmespath":
            return Fact("impossible", reason=f"`derived.{derived.name}` is a single value and has no members")
        return _computed_fact(derived) if len(path.steps) == 2 else OPEN


def follow(root: Root, steps: Sequence[str | int]) -> Fact:
    """The fact about a path under a root."""
    node: Mapping[str, object] | None = _resolved(root.document, root.node)
    always = True
    for at, step in enumerate(steps):
        if node is None:
            return OPEN
        types = _types(node)
        wanted = "object" if isinstance(step, str) else "array"
        if types is not None and wanted not in types:
            return Fact(
                "impossible",
                reason=f"`{steps[at - 1]}` is {type_words(types)} and has no {'members' if wanted == 'object' else 'elements'}",
            )
        child = _member(node, step) if isinstance(step, str) else _element(node)
        if isinstance(child, Fact):
            return child
        required = node.get("required")
        # Only of an object a schema can require members; an event itself is one, whatever its schema says.
        is_object = at == 0 or types == frozenset(("object",))
        always = always and is_object and isinstance(step, str) and isinstance(required, list) and step in required
        node = _resolved(root.document, child)
    if node is None:
        return OPEN
    types = _types(node)
    return Fact("declared", types, _values(node), always and types is not None and "null" not in types, Root(root.document, node))


def element_root(fact: Fact) -> Root | None:
    """Where paths inside an element of the array start; None where nothing is known of its elements."""
    if fact.root is None:
        return None
    element = _element(fact.root.node)
    return None if isinstance(element, Fact) else Root(fact.root.document, element)


def type_words(types: frozenset[str]) -> str:
    """The types as a person says them."""
    words = {
        "string": "text",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "a map",
        "null": "null",
    }
    return " or ".join(words.get(name, name) for name in sorted(types) if name != "null" or len(types) == 1)


def schema_properties(document: Mapping[str, object]) -> Mapping[str, object]:
    """The members that a schema declares at its top."""
    return _properties(document)


def _member(node: Mapping[str, object], name: str) -> Mapping[str, object] | Fact:
    properties = _properties(node)
    if name in properties:
        return _as_schema(properties[name])
    if any(keyword in node for keyword in _SCHEMA_KEYWORDS_NOT_FOLLOWED):
        return OPEN
    additional = node.get("additionalProperties", node.get("unevaluatedProperties", True))
    if additional is False:
        return Fact("impossible", names=tuple(properties), reason="the schema takes no other members")
    if isinstance(additional, dict) and additional:
        return additional
    return Fact("undeclared", names=tuple(properties)) if properties else OPEN


def _element(node: Mapping[str, object]) -> Mapping[str, object] | Fact:
    items = node.get("items")
    return items if isinstance(items, dict) and "prefixItems" not in node else OPEN


def _properties(node: Mapping[str, object]) -> Mapping[str, object]:
    properties = node.get("properties")
    return properties if isinstance(properties, dict) else {}


def _as_schema(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _resolved(document: Mapping[str, object], node: Mapping[str, object]) -> Mapping[str, object] | None:
    """The node behind local references; None where they lead somewhere else or in a circle."""
    for _ in range(_MAX_REFERENCES):
        reference = node.get("$ref")
        if reference is None:
            return node
        target: object = document
        for part in str(reference).removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        if not str(reference).startswith("#") or not isinstance(target, dict) or len(node) > 1:
            return None
        node = target
    return None


def _types(node: Mapping[str, object]) -> frozenset[str] | None:
    written = node.get("type")
    names = [written] if isinstance(written, str) else written if isinstance(written, list) else None
    if names is None:
        values = _values(node)
        names = None if values is None else [_json_type(value) for value in values]
    return None if names is None else frozenset("number" if name == "integer" else str(name) for name in names)


def _values(node: Mapping[str, object]) -> tuple[object, ...] | None:
    if "const" in node:
        return (node["const"],)
    values = node.get("enum")
    return tuple(values) if isinstance(values, list) else None


def _json_type(value: object) -> str:
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _computed_fact(derived: Derived) -> Fact:
    match derived.kind:
        case "bucket":
            labels = derived.args[2]
            return Fact("declared", _STRING, labels if isinstance(labels, tuple) else None)
        case "part_of_day":
            return Fact("declared", _STRING, PARTS_OF_DAY)
        case "hour":
            return Fact("declared", _NUMBER, _HOURS)
        case "difference" | "ratio":
            return Fact("declared", _NUMBER)
    return OPEN


def _written_members(transform: Transform) -> Iterator[str | int]:
    paths = [*transform.remove, *transform.hash]
    paths += [path for path, _ in transform.set]
    paths += [path for path, _ in transform.mask]
    paths += [path for pair in transform.rename for path in pair]
    for path in paths:
        yield path.steps[0]


def _read_paths(ruleset: Ruleset) -> Iterator[Path]:
    for owner in conditions_of(ruleset):
        yield from (leaf.item.path for leaf in leaves(owner.condition) if isinstance(leaf.item, Test) and not leaf.in_element)
    for derived in ruleset.enrichment.derived.values():
        yield from derived_paths(derived)
    for _, transform in transforms_of(ruleset):
        yield from read_by(transform)
    for aggregation in ruleset.aggregations.values():
        yield from (path for _, path in aggregation.key)
        yield from (measure.field for measure in aggregation.measures if measure.field)
