"""The section `enrichment`: sources and derived fields.

In: its nodes and the environment. Out: `model.Enrichment`. Rule of the file: `${NAME}` is replaced in the settings of a source and nowhere
else, after the YAML was read, so that no value of the environment can change what a file means; such values are never shown.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast
from zoneinfo import available_timezones

from engine.rules.diagnostics import Findings, did_you_mean, shown
from engine.rules.loader import resolve
from engine.rules.model import Breaker, Cache, Derived, Enrichment, FieldRef, Path, Source, SourceSpec
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode, plain_value
from engine.rules.parse_filters import read_jmespath
from engine.rules.reading import (
    MapReader,
    as_duration,
    described,
    merged,
    named_entries,
    one_or_many,
    read_duration_ms,
    read_items,
    read_map,
    read_number,
    read_path,
    read_text,
)
from engine.rules.timezones import local_hour

RESERVED_NAMES: Final = frozenset(("derived", "status", "enrichment", "processing"))

_MAX_BUDGET_MS: Final = 60_000
_MAX_ENTRIES: Final = 100_000_000
_MAX_CONCURRENCY: Final = 10_000
_MAX_DIGITS: Final = 10
# Only these may be shown when the environment gives them: anything else may hold a secret.
_OPEN_SETTINGS: Final = ("timeout", "concurrency")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_KINDS_OF_DERIVED: Final = ("bucket", "difference", "ratio", "hour", "part_of_day", "jmespath")


@dataclass(frozen=True, slots=True)
class SourceKind:
    """What the settings of a kind of source are called, which must be there, and what must stand in one of them."""

    settings: tuple[str, ...]
    required: tuple[str, ...]
    placeholder: tuple[str, str] | None = None


BUILT_IN_SOURCES: Final = {
    "file": SourceKind(("path", "id"), ("path",)),
    "http": SourceKind(("url", "batch_url", "headers", "timeout", "concurrency"), ("url",), ("url", "{key}")),
    "redis": SourceKind(("key", "url", "timeout", "concurrency"), ("key",), ("key", "{key}")),
    "sql": SourceKind(("url", "query", "timeout", "concurrency"), ("url", "query"), ("query", ":key")),
}
"""The kinds of source whose settings are known here; whether a kind can be built is for the caller to say."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine provides: environment variables, and the kinds of source that can be built."""

    environ: Mapping[str, str]
    source_kinds: Collection[str]


def parse_enrichment(nodes: Sequence[Node], surroundings: Surroundings, findings: Findings) -> Enrichment:
    """The `enrichment` section over all files."""
    node = merged(nodes, "enrichment", findings, combined=("sources", "derived"))
    if node is None:
        return Enrichment()
    reader = MapReader(node, "`enrichment`", findings)
    budget_ms = reader.duration_ms("budget", Enrichment().budget_ms, minimum_ms=1, maximum_ms=_MAX_BUDGET_MS)
    sources: dict[str, Source] = {}
    for entry in named_entries(reader.take("sources"), "`sources`", findings, member=True):
        with findings.about(f"enrichment.sources.{entry.key}"):
            source = _source(entry, surroundings, findings)
        if source:
            sources[entry.key] = source
    derived: dict[str, Derived] = {}
    for entry in named_entries(reader.take("derived"), "`derived`", findings, member=True):
        with findings.about(f"enrichment.derived.{entry.key}"):
            made = _derived(entry, findings)
        if made:
            derived[entry.key] = made
    reader.finish()
    return Enrichment(budget_ms, sources, derived)


def _source(entry: Entry, surroundings: Surroundings, findings: Findings) -> Source | None:
    if entry.key in RESERVED_NAMES:
        findings.add(
            "E307",
            f"a source cannot be called `{entry.key}`",
            entry.key_span,
            help="the record has a member of that name already",
        )
    reader = read_map(entry.value, f"the source `{entry.key}`", findings)
    if reader is None:
        return None
    lookup = reader.path("lookup", required=True, example="lookup: user_id")
    asked = reader.take("from", required=True, example="from: {file: {path: users.json}}")
    fallback = reader.take("fallback")
    nodes = ([asked] if asked else []) + list(one_or_many(fallback, "`fallback`", findings) if fallback else ())
    chain = [_spec(node, surroundings, findings) for node in nodes]
    cache = _cache(reader.map("cache"))
    breaker = _breaker(reader.map("breaker"))
    fields = reader.take("fields")
    names = tuple(read_text(item, "a field", findings) for item in read_items(fields, "`fields`", findings)) if fields else ()
    default = reader.map("default")
    reader.finish()
    if lookup is None:
        return None
    known = tuple(spec for spec in chain if spec is not None)
    value = cast("Mapping[str, object]", plain_value(default.node)) if default else None
    return Source(entry.key, lookup, known, cache, breaker, names, value, entry.key_span)


def _spec(node: Node, surroundings: Surroundings, findings: Findings) -> SourceSpec | None:
    if not isinstance(node, MapNode) or len(node.entries) != 1:
        help = "write `{file: {path: users.json}}`; several places to ask are `from` and a list under `fallback`"
        findings.add("E203", f"one place to ask is expected, not {_counted(node)}", node.span, help=help)
        return None
    entry = node.entries[0]
    if entry.key not in surroundings.source_kinds:
        help = did_you_mean(entry.key, surroundings.source_kinds)
        findings.add("E303", f"there is no kind of source `{shown(entry.key)}` here", entry.key_span, help=help)
        return None
    reader = read_map(entry.value, f"`{entry.key}`", findings)
    if reader is None:
        return None
    settings = cast("dict[str, object]", _replaced(reader.node, surroundings.environ, findings))
    if entry.key in BUILT_IN_SOURCES:
        _check_settings(reader, settings, BUILT_IN_SOURCES[entry.key])
    return SourceSpec(entry.key, settings, entry.key_span)


def _counted(node: Node) -> str:
    return f"a map of {len(node.entries)}" if isinstance(node, MapNode) else described(node)


def _check_settings(reader: MapReader, settings: dict[str, object], kind: SourceKind) -> None:
    """Check names and values; a number that the environment gave as text becomes one."""
    findings = reader.findings
    for name in kind.settings:
        node = reader.take(name, required=name in kind.required, example=f"{name}: …")
        if isinstance(node, ScalarNode) and name in _OPEN_SETTINGS:
            given = str(settings[name])
            node = ScalarNode(_number_or_text(given), given, node.plain, node.span)
            settings[name] = node.value
        if node is not None and (name in _OPEN_SETTINGS or "${" not in getattr(node, "text", "")):
            _check_setting(name, node, findings)
    reader.finish()
    if kind.placeholder is None:
        return
    name, mark = kind.placeholder
    written = reader.node.get(name)
    if written is not None and isinstance(settings.get(name), str) and mark not in str(settings[name]):
        findings.add("E203", f"`{name}` has no `{mark}`", written.span, help=f"`{mark}` stands for the key that is looked up")


def _number_or_text(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else text


def _check_setting(name: str, node: Node, findings: Findings) -> None:
    if name == "timeout":
        read_duration_ms(node, "`timeout`", findings)
    elif name == "concurrency":
        read_number(node, "`concurrency`", 1, _MAX_CONCURRENCY, findings)
    elif name == "headers":
        read_map(node, "`headers`", findings)
    else:
        read_text(node, f"`{name}`", findings)


def _replaced(node: Node, environ: Mapping[str, str], findings: Findings) -> object:
    """The node as plain values, with the environment's in place of `${NAME}`."""
    match node:
        case MapNode():
            return {entry.key: _replaced(entry.value, environ, findings) for entry in node.entries}
        case ListNode():
            return [_replaced(item, environ, findings) for item in node.items]
        case ScalarNode() if isinstance(node.value, str) and "${" in node.value:
            return _replaced_text(node, environ, findings)
    return plain_value(node)


def _replaced_text(node: ScalarNode, environ: Mapping[str, str], findings: Findings) -> object:
    def value_of(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        value = environ.get(name) or default
        if value is None:
            help = f"set it, or write a default: `${{{name}:-…}}`"
            findings.add("E306", f"the environment variable `{name}` is not set", node.span, help=help)
        return value or ""

    text = _VARIABLE.sub(value_of, node.text)
    if "${" in _VARIABLE.sub("", node.text):
        findings.add(
            "E306",
            f"`{shown(node.text)}` has a `${{` that names no variable",
            node.span,
            help="write `${NAME}` or `${NAME:-default}`",
        )
    try:
        return resolve(text) if node.plain and _VARIABLE.fullmatch(node.text) else text
    except ValueError:
        return text


def _cache(reader: MapReader | None) -> Cache:
    if reader is None:
        return Cache()
    local, shared = reader.map("local"), reader.map("shared")
    local_ttl_ms, max_entries = None, Cache().local_max_entries
    if local:
        local_ttl_ms = local.duration_ms("ttl", 0, minimum_ms=1, required=True, example="ttl: 5m")
        max_entries = local.integer("max_entries", max_entries, 1, _MAX_ENTRIES)
        local.finish()
    shared_ttl_ms = None
    if shared:
        shared_ttl_ms = shared.duration_ms("ttl", 0, minimum_ms=1, required=True, example="ttl: 15m")
        shared.finish()
    negative_ttl_ms = reader.duration_ms("negative_ttl", 0) or None
    stale_ms = reader.duration_ms("stale_if_error", 0) or None
    ahead = reader.number("refresh_ahead", 0, 0, 1) or None
    reader.finish()
    return Cache(local_ttl_ms, max_entries, shared_ttl_ms, negative_ttl_ms, stale_ms, ahead)


def _breaker(reader: MapReader | None) -> Breaker | None:
    if reader is None:
        return None
    usual = Breaker()
    breaker = Breaker(
        reader.integer("failures", usual.failures, 1, 1_000_000),
        reader.number("failure_rate", usual.failure_rate, 0, 1),
        reader.duration_ms("window", usual.window_ms, minimum_ms=1),
        reader.integer("min_calls", usual.min_calls, 1, 1_000_000),
        reader.duration_ms("open_for", usual.open_for_ms, minimum_ms=1),
        reader.duration_ms("max_open_for", usual.max_open_for_ms, minimum_ms=1),
    )
    reader.finish()
    if breaker.open_for_ms > breaker.max_open_for_ms:
        message = f"`open_for` of {as_duration(breaker.open_for_ms)} is longer than `max_open_for` of {as_duration(breaker.max_open_for_ms)}"
        reader.findings.add("E504", message, reader.node.span)
    return breaker


def _derived(entry: Entry, findings: Findings) -> Derived | None:
    reader = read_map(entry.value, f"the derived field `{entry.key}`", findings)
    if reader is None:
        return None
    kinds = [kind for kind in _KINDS_OF_DERIVED if reader.has(kind)]
    if len(kinds) != 1:
        keys = [other.key for other in reader.node.entries]
        help = (did_you_mean(keys[0], _KINDS_OF_DERIVED) if len(keys) == 1 and not kinds else "") or "one of " + ", ".join(
            f"`{kind}`" for kind in _KINDS_OF_DERIVED
        )
        findings.add("E203", f"a derived field says how it is computed once, not {len(kinds)} times", entry.key_span, help=help)
        return None
    node = reader.take(kinds[0], example=f"{kinds[0]}: …")
    args = None if node is None else _DERIVED_ARGS[kinds[0]](reader, node)
    reader.finish()
    return None if args is None else Derived(entry.key, cast("_DerivedKind", kinds[0]), args, entry.key_span)


def _bucket_args(reader: MapReader, node: Node) -> tuple[object, ...] | None:
    findings = reader.findings
    path = read_path(node, findings)
    edges_node = reader.take("edges", required=True, example="edges: [1000, 30000]")
    labels_node = reader.take("labels", required=True, example="labels: [fast, normal, slow]")
    if edges_node is None or labels_node is None:
        return None
    edges = [
        read_number(item, "an edge", float("-inf"), float("inf"), findings)
        for item in read_items(edges_node, "`edges`", findings)
    ]
    labels = [read_text(item, "a label", findings) for item in read_items(labels_node, "`labels`", findings)]
    known = [edge for edge in edges if edge is not None]
    if known != sorted(set(known)):
        findings.add(
            "E203", "`edges` do not rise", edges_node.span, help="write them from the smallest to the largest, each once"
        )
    elif len(labels) != len(edges) + 1:
        message = f"{len(edges)} edges make {len(edges) + 1} buckets, but there are {len(labels)} labels"
        findings.add("E203", message, labels_node.span, help="write one label more than edges")
    return None if path is None else (path, tuple(known), tuple(labels))


def _pair_args(reader: MapReader, node: Node) -> tuple[object, ...] | None:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        found = f"a list of {len(node.items)}" if isinstance(node, ListNode) else described(node)
        reader.findings.add(
            "E203", f"two fields or numbers are expected, not {found}", node.span, help="write `[response_time_ms, 1000]`"
        )
        return None
    pair = tuple(_path_or_number(item, reader.findings) for item in node.items)
    return None if None in pair else pair


def _path_or_number(node: Node, findings: Findings) -> Path | int | float | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    return read_path(node, findings)


def _hour_args(reader: MapReader, node: Node) -> tuple[object, ...] | None:
    path = read_path(node, reader.findings)
    zone = reader.take("timezone", example="timezone: UTC")
    name = "UTC" if zone is None else _timezone(zone, reader.findings)
    return None if path is None or name is None else (path, name)


def _timezone(node: Node, findings: Findings) -> str | FieldRef | None:
    if isinstance(node, MapNode):
        inner = MapReader(node, "`timezone`", findings)
        path = inner.path("field", required=True, example="timezone: {field: user.timezone}")
        inner.finish()
        return None if path is None else FieldRef(path)
    name = read_text(node, "`timezone`", findings)
    if name and local_hour(0, name) is None:
        help = (
            did_you_mean(name, sorted(available_timezones()))
            or "write a name such as `Europe/Berlin` or `UTC`; a field is `{field: path}`"
        )
        findings.add("E505", f"there is no time zone `{shown(name)}`", node.span, help=help)
    return name or None


def _jmespath_args(reader: MapReader, node: Node) -> tuple[object, ...] | None:
    text = read_jmespath(node, reader.findings)
    return None if text is None else (text,)


_DerivedKind = Literal["bucket", "difference", "ratio", "hour", "part_of_day", "jmespath"]

_DERIVED_ARGS: Final[dict[str, Callable[[MapReader, Node], tuple[object, ...] | None]]] = {
    "bucket": _bucket_args,
    "difference": _pair_args,
    "ratio": _pair_args,
    "hour": _hour_args,
    "part_of_day": _hour_args,
    "jmespath": _jmespath_args,
}
