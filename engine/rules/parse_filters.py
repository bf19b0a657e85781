"""The sections `filters`, `routes`, `conditions` and `lists`.

In: their nodes. Out: `model.Filter` and the named things that filters use. Rule of the file: an action says one thing; several stand in a
list, in the order they are carried out.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, cast

from engine.rules.diagnostics import Findings, shown
from engine.rules.expression_paths import expression_paths
from engine.rules.model import (
    Action,
    Allow,
    Block,
    Condition,
    Extract,
    FieldRef,
    Filter,
    Path,
    Rollout,
    Route,
    Scalar,
    SendTo,
    Transform,
)
from engine.rules.nodes import Entry, MapNode, Node, ScalarNode, is_null, plain_value
from engine.rules.other_words import action_of_ours
from engine.rules.parse_conditions import ConditionReader
from engine.rules.patterns import jmespath_fault
from engine.rules.reading import (
    MapReader,
    described,
    merged,
    named_entries,
    one_or_many,
    read_items,
    read_key_path,
    read_map,
    read_path,
    read_scalar,
    read_text,
)

_ACTIONS: Final = ("allow", "block", "route", "transform")
_MAIN_KEYS: Final = {"allow": "mark", "block": "reason", "route": "to"}
_MAX_ORDER: Final = 1_000_000
_MAX_KEPT: Final = 100
_EVERYBODY: Final = 100


def parse_filters(nodes: Sequence[Node], findings: Findings) -> tuple[Filter, ...]:
    """The filters of all files in the order they run: by `order`, then as written."""
    filters: list[Filter] = []
    for entry in named_entries(merged(nodes, "filters", findings), "`filters`", findings):
        with findings.about(f"filters.{entry.key}"):
            rule = _filter(entry, findings)
        if rule:
            filters.append(rule)
    return tuple(sorted(filters, key=lambda rule: rule.order))


_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


def parse_routes(nodes: Sequence[Node], findings: Findings) -> dict[str, Route]:
    """The declared destinations, by name."""
    routes: dict[str, Route] = {}
    for entry in named_entries(merged(nodes, "routes", findings), "`routes`", findings):
        with findings.about(f"routes.{entry.key}"):
            if isinstance(entry.value, ScalarNode) and _TOPIC.fullmatch(entry.value.text):
                fix = f"{{topic: {entry.value.text}}}"
                message = f"the route `{entry.key}` is a map, not {described(entry.value)}"
                findings.add("E203", message, entry.value.span, fix=fix)
                continue
            reader = read_map(entry.value, f"the route `{entry.key}`", findings)
            if reader:
                topic = reader.text("topic", required=True, example=f"topic: events.{entry.key}")
                reader.finish()
                if topic and not _TOPIC.fullmatch(topic):
                    help = "use letters, digits, `.`, `_` and `-`, at most 249 characters"
                    findings.add("E213", f"`{shown(topic)}` cannot be the name of a topic", entry.value.span, help=help)
                routes[entry.key] = Route(entry.key, topic, entry.key_span)
    return routes


def parse_conditions(nodes: Sequence[Node], findings: Findings) -> tuple[dict[str, Condition], tuple[Entry, ...]]:
    """The named conditions, and all entries of the section, those at fault included."""
    entries = tuple(named_entries(merged(nodes, "conditions", findings), "`conditions`", findings))
    conditions: dict[str, Condition] = {}
    for entry in entries:
        with findings.about(f"conditions.{entry.key}"):
            condition = ConditionReader(findings).read(entry.value)
        if condition is not None:
            conditions[entry.key] = condition
    return conditions, entries


def parse_lists(nodes: Sequence[Node], findings: Findings) -> tuple[dict[str, tuple[Scalar, ...]], tuple[Entry, ...]]:
    """The named lists, and all entries of the section, those at fault included."""
    entries = tuple(named_entries(merged(nodes, "lists", findings), "`lists`", findings))
    lists: dict[str, tuple[Scalar, ...]] = {}
    for entry in entries:
        with findings.about(f"lists.{entry.key}"):
            items = [
                read_scalar(item, "an item", findings) for item in read_items(entry.value, f"the list `{entry.key}`", findings)
            ]
        lists[entry.key] = tuple(item for item in items if item is not None)
    return lists, entries


def _filter(entry: Entry, findings: Findings) -> Filter | None:
    reader = read_map(entry.value, f"the filter `{entry.key}`", findings)
    if reader is None:
        return None
    description = reader.text("description")
    when_node = reader.take("when", required=True, example="when: {event_type: attempt}")
    when = ConditionReader(findings).read(when_node) if when_node else None
    then_node = reader.take("then", required=True, example=f"then: {{allow: {{mark: {entry.key}}}}}")
    actions = [_action(item, findings) for item in one_or_many(then_node, "`then`", findings)] if then_node else []
    mode = reader.choice("mode", ("enforce", "shadow", "off"), "enforce")
    order = reader.integer("order", 0, -_MAX_ORDER, _MAX_ORDER)
    rollout = _rollout(reader)
    reader.finish()
    if when is None:
        return None
    done = tuple(action for action in actions if action is not None)
    how = cast("Literal['enforce', 'shadow', 'off']", mode)
    return Filter(entry.key, when, done, description, how, order, entry.key_span, rollout)


def _rollout(reader: MapReader) -> Rollout | None:
    inner = reader.map("rollout", example="rollout: {percent: 10, by: user_id}")
    if inner is None:
        return None
    percent = inner.number("percent", _EVERYBODY, 0, _EVERYBODY, required=True, example="percent: 10")
    by = inner.path("by", required=True, example="by: user_id")
    inner.finish()
    return None if by is None else Rollout(percent, by)


def _action(node: Node, findings: Findings) -> Action | None:
    if not isinstance(node, MapNode):
        name = node.text if isinstance(node, ScalarNode) else ""
        fix = f"{{{name}: {{}}}}" if name in {"allow", "block"} else ""
        help = "" if fix else "write `allow: {mark: name}`"
        findings.add("E203", f"an action is a map, not {described(node)}", node.span, help=help, fix=fix)
        return None
    if len(node.entries) != 1:
        help = (
            "write a list, one `- ` for each, in the order they are carried out"
            if node.entries
            else "name an action, such as `block: {}`"
        )
        findings.add("E203", f"an action says one thing, this map says {len(node.entries)}", node.span, help=help)
        return None
    entry = node.entries[0]
    read = _READERS.get(entry.key)
    if read is None:
        message = f"unknown action `{shown(entry.key)}`"
        if offer := action_of_ours(entry.key, entry.key_span):
            findings.add("E201", message, entry.key_span, help=offer.help, edits=offer.edits)
        else:
            findings.add_unknown("E201", message, entry.key_span, entry.key, _ACTIONS)
        return None
    if is_null(entry.value):
        findings.add("E211", f"`{entry.key}` has no value", entry.value.span, help=f"write `{entry.key}: {{}}`")
        return None
    if isinstance(entry.value, ScalarNode) and entry.key in _MAIN_KEYS:
        bare = not isinstance(entry.value.value, str) and entry.key in {"allow", "block"}
        fix = "{}" if bare else f"{{{_MAIN_KEYS[entry.key]}: {entry.value.text}}}"
        findings.add("E203", f"`{entry.key}` is a map, not {described(entry.value)}", entry.value.span, fix=fix)
        return None
    reader = read_map(entry.value, f"`{entry.key}`", findings)
    action = read(reader) if reader else None
    if reader:
        reader.finish()
    return action


def _allow(reader: MapReader) -> Allow:
    return Allow(reader.text("mark") or None)


def _block(reader: MapReader) -> Block:
    return Block(reader.text("reason") or None, reader.node.span)


def _send(reader: MapReader) -> SendTo | None:
    node = reader.take("to", required=True, example="to: NAME")
    mode = reader.choice("mode", ("hint", "copy", "move"), "hint")
    to = read_text(node, "`to`", reader.findings) if node else ""
    return SendTo(to, cast("Literal['hint', 'copy', 'move']", mode), node.span) if node and to else None


def _transform(reader: MapReader) -> Transform:
    findings = reader.findings
    if not reader.node.entries:
        findings.add(
            "E203", "a transform that changes nothing", reader.node.span, help="write `set`, `remove`, `rename`, `hash` or `mask`"
        )
    return Transform(
        tuple(_settings(reader)),
        _paths(reader, "remove"),
        tuple((old, new) for old, node in _targets(reader, "rename") if (new := _writable(read_path(node, findings), findings))),
        _paths(reader, "hash"),
        tuple((path, _kept(node, findings)) for path, node in _targets(reader, "mask")),
    )


def _settings(reader: MapReader) -> list[tuple[Path, object | FieldRef | Extract]]:
    pairs = [(path, _new_value(node, reader.findings)) for path, node in _targets(reader, "set")]
    return [(path, value[0]) for path, value in pairs if value is not None]


def _new_value(node: Node, findings: Findings) -> tuple[object] | None:
    """The value to set, in a tuple of one because None is a value as well."""
    if isinstance(node, MapNode) and len(node.entries) == 1:
        entry = node.entries[0]
        if entry.key == "field":
            path = read_path(entry.value, findings)
            return None if path is None else (FieldRef(path),)
        if entry.key == "jmespath":
            extract = read_jmespath(entry.value, findings)
            return None if extract is None else (extract,)
    return (plain_value(node),)


def read_jmespath(node: Node, findings: Findings) -> Extract | None:
    """The node as a JMESPath expression that compiles."""
    text = read_text(node, "`jmespath`", findings)
    fault = jmespath_fault(text) if text else None
    if fault:
        findings.add("E502", fault.message, node.span, help=fault.help)
    if not text or fault or not isinstance(node, ScalarNode):
        return None
    return Extract(text, expression_paths(node))


def _targets(reader: MapReader, key: str) -> list[tuple[Path, Node]]:
    inner = reader.map(key)
    entries = inner.node.entries if inner else ()
    pairs = [(_writable(read_key_path(entry, reader.findings), reader.findings), entry.value) for entry in entries]
    return [(path, node) for path, node in pairs if path is not None]


def _paths(reader: MapReader, key: str) -> tuple[Path, ...]:
    node = reader.take(key)
    items = one_or_many(node, f"`{key}`", reader.findings) if node else ()
    paths = [_writable(read_path(item, reader.findings), reader.findings) for item in items]
    return tuple(path for path in paths if path is not None)


def _writable(path: Path | None, findings: Findings) -> Path | None:
    if path is None or path.steps[0] not in {"enrichment", "processing"}:
        return path
    help = "what enrichment found is written by the source's name, such as `user.country`"
    findings.add("E307", f"`{path.steps[0]}` is written by the engine itself", path.span, help=help)
    return None


def _kept(node: Node, findings: Findings) -> int:
    if not isinstance(node, MapNode):
        findings.add("E203", f"a mask is a map, not {described(node)}", node.span, fix="{keep_last: 4}", sure=False)
        return 0
    reader = MapReader(node, "a mask", findings)
    kept = reader.integer("keep_last", 0, 0, _MAX_KEPT, required=True, example="keep_last: 4")
    reader.finish()
    return kept


_READERS: Final[dict[str, Callable[[MapReader], Action | None]]] = {
    "allow": _allow,
    "block": _block,
    "route": _send,
    "transform": _transform,
}
