"""The sections `events` and `deduplication`.

In: their nodes, and the event schemas that were read with them. Out: `model.Events` and `model.Deduplication`. Rule of the file: the type,
the time and the key of an event are read from the event itself, before any enrichment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from engine.rules.diagnostics import Findings, shown
from engine.rules.model import Deduplication, Events, EventType, LatePolicy, Path
from engine.rules.nodes import Entry, MapNode, Node, ScalarNode, is_null
from engine.rules.reading import MapReader, described, merged, one_or_many, read_map, read_path

MIN_DEDUPLICATION_MS: Final = 600_000

_MAX_WAIT_MS: Final = 600_000
_MAX_TYPE_CHARS: Final = 200
_MAX_KEY_FIELDS: Final = 8
_DEFAULTS: Final = Events(Path("", ()), Path("", ()), None)


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """An event schema as read: the path to show, and the document, or None where it cannot be used."""

    path: str
    document: Mapping[str, object] | None


Schemas = Mapping[tuple[str, str], SchemaFile]
"""Event schemas by the rule file that names them and the name as written."""


def parse_events(nodes: Sequence[Node], schemas: Schemas, findings: Findings) -> Events | None:
    """The `events` section over all files, or None where it does not say where type and time stand."""
    node = merged(nodes, "events", findings, combined=("types",))
    if node is None:
        return None
    with findings.about("events"):
        reader = MapReader(node, "`events`", findings)
        event_type = reader.path("type", required=True, example="type: event_type")
        time = reader.path("time", required=True, example="time: timestamp")
        key = reader.path("key")
        wait_ms, late = _ordering(reader.map("ordering"))
        future_ms, past_ms = _max_skew(reader.map("max_skew"))
        unknown_types = reader.choice("unknown_types", ("reject", "pass"), "reject")
        types = _types(
            reader.take("types", required=True, example="types: {attempt: {schema: attempt.schema.json}}"), schemas, findings
        )
        reader.finish()
    if event_type is None or time is None:
        return None
    known = cast("Literal['reject', 'pass']", unknown_types)
    return Events(event_type, time, key, wait_ms, late, future_ms, past_ms, known, types, node.span)


def named_schemas(node: Node) -> list[ScalarNode]:
    """Where a rule file names event schemas; anything malformed is left for `parse_events` to report."""
    events = node.get("events") if isinstance(node, MapNode) else None
    types = events.get("types") if isinstance(events, MapNode) else None
    bodies = [entry.value for entry in types.entries] if isinstance(types, MapNode) else []
    names = [body.get("schema") for body in bodies if isinstance(body, MapNode)]
    return [name for name in names if isinstance(name, ScalarNode) and isinstance(name.value, str) and name.value]


def _ordering(reader: MapReader | None) -> tuple[int, LatePolicy]:
    if reader is None:
        return _DEFAULTS.wait_ms, _DEFAULTS.late
    wait_ms = reader.duration_ms("wait", _DEFAULTS.wait_ms, maximum_ms=_MAX_WAIT_MS)
    node = reader.take("late", example="late: flag")
    reader.finish()
    return wait_ms, _late_policy(node, reader.findings)


def _late_policy(node: Node | None, findings: Findings) -> LatePolicy:
    if isinstance(node, MapNode):
        return LatePolicy("route", read_route(node, "late", findings), node.span)
    word = node.text if isinstance(node, ScalarNode) else ""
    if word == "drop":
        return LatePolicy("drop")
    if node is not None and word != "flag":
        message = f"`late` cannot be {described(node)}"
        if fix := route_fix(word):
            findings.add("E204", message, node.span, fix=fix)
        else:
            help = "write `flag`, `drop` or `{route: NAME}`"
            findings.add_unknown("E204", message, node.span, word, ("flag", "drop"), otherwise=help)
    return LatePolicy("flag")


def read_route(node: Node, what: str, findings: Findings) -> str | None:
    """The name in `{route: NAME}`."""
    reader = read_map(node, f"`{what}`", findings)
    name = reader.text("route", required=True, example=f"{what}: {{route: NAME}}") if reader else ""
    if reader:
        reader.finish()
    return name or None


def route_fix(text: str) -> str:
    """What `route NAME` is written as, or empty for another text."""
    words = text.replace(":", " ").split()
    return f"{{route: {words[1]}}}" if len(words) == 2 and words[0] == "route" else ""


def _max_skew(reader: MapReader | None) -> tuple[int | None, int | None]:
    if reader is None:
        return _DEFAULTS.max_future_ms, _DEFAULTS.max_past_ms
    future_ms = duration_or_none_ms(reader, "future", _DEFAULTS.max_future_ms)
    past_ms = duration_or_none_ms(reader, "past", _DEFAULTS.max_past_ms)
    reader.finish()
    return future_ms, past_ms


def duration_or_none_ms(reader: MapReader, key: str, default: int | None, *, minimum_ms: int = 0) -> int | None:
    """The duration under `key`, in ms, of at least the minimum; None where `none` stands there."""
    node = reader.take(key, example=f"{key}: none")
    if node is None:
        return default
    if isinstance(node, ScalarNode) and node.text == "none":
        return None
    if isinstance(node, ScalarNode) and node.text in {"never", "off", "no", "any", "unlimited", "forever", "infinite"}:
        reader.findings.add("E206", f"`{key}` is a duration, not {described(node)}", node.span, fix="none")
        return default
    return reader.duration_ms(key, 0, minimum_ms=minimum_ms)


def _types(node: Node | None, schemas: Schemas, findings: Findings) -> dict[str, EventType]:
    reader = None if node is None else read_map(node, "`types`", findings)
    if reader and not reader.node.entries:
        findings.add("E203", "`types` is empty", reader.node.span, help="name the event types: `attempt: {}`")
    return {entry.key: _type(entry, schemas, findings) for entry in (reader.node.entries if reader else ())}


def _type(entry: Entry, schemas: Schemas, findings: Findings) -> EventType:
    if not entry.key or len(entry.key) > _MAX_TYPE_CHARS or not entry.key.isprintable():
        findings.add("E213", f"`{shown(entry.key)}` cannot be the name of an event type", entry.key_span)
    if is_null(entry.value):
        return EventType(entry.key, span=entry.key_span)
    if isinstance(entry.value, ScalarNode) and entry.value.text.endswith(".json"):
        message, fix = f"the type `{shown(entry.key)}` is a map, not {described(entry.value)}", f"{{schema: {entry.value.text}}}"
        findings.add("E203", message, entry.value.span, fix=fix, sure=False)
        return EventType(entry.key, span=entry.key_span)
    reader = read_map(entry.value, f"the type `{shown(entry.key)}`", findings)
    name = reader.text("schema", example="schema: ../schemas/events/attempt.schema.json") if reader else ""
    if reader:
        reader.finish()
    schema = schemas.get((entry.key_span.file, name))
    return EventType(entry.key, schema.document if schema else None, schema.path if schema else None, entry.key_span)


def parse_deduplication(nodes: Sequence[Node], findings: Findings) -> dict[str, Deduplication]:
    """The `deduplication` section over all files, by event type."""
    node = merged(nodes, "deduplication", findings)
    rules: dict[str, Deduplication] = {}
    for entry in node.entries if node else ():
        with findings.about(f"deduplication.{entry.key}"):
            rule = _deduplication(entry, findings)
        if rule:
            rules[entry.key] = rule
    return rules


def _deduplication(entry: Entry, findings: Findings) -> Deduplication | None:
    reader = read_map(
        entry.value, f"the deduplication of `{shown(entry.key)}`", findings, f"{shown(entry.key)}: {{key: NAME, ttl: 24h}}"
    )
    if reader is None:
        return None
    example = "key: event_id"
    key_node = reader.take("key", required=True, example=example)
    keys = [read_path(item, findings) for item in one_or_many(key_node, "`key`", findings)] if key_node else []
    ttl_ms = reader.duration_ms("ttl", MIN_DEDUPLICATION_MS, minimum_ms=MIN_DEDUPLICATION_MS, required=True, example="ttl: 24h")
    retries_ms = reader.duration_ms("retries", 0) if reader.has("retries") else None
    on_conflict = reader.choice("on_conflict", ("flag", "reject"), "flag")
    on_store_failure = reader.choice("on_store_failure", ("pass", "reject"), "pass")
    reader.finish()
    if len(keys) > _MAX_KEY_FIELDS and key_node:
        findings.add("E503", f"a key of {len(keys)} fields, more than {_MAX_KEY_FIELDS}", key_node.span)
    return Deduplication(
        entry.key,
        tuple(key for key in keys if key is not None),
        ttl_ms,
        cast("Literal['flag', 'reject']", on_conflict),
        cast("Literal['pass', 'reject']", on_store_failure),
        retries_ms,
        entry.key_span,
    )
