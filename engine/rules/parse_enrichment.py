"""The section `enrichment`: sources and derived fields.

In: its nodes and what the machine provides. Out: `model.Enrichment`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, cast
from zoneinfo import available_timezones

from engine.rules.diagnostics import Findings, closest, shown
from engine.rules.model import Derived, Enrichment, Extract, FieldRef, Path, Source
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.rules.parse_filters import read_jmespath
from engine.rules.parse_sources import Surroundings, read_source
from engine.rules.reading import (
    MapReader,
    described,
    merged,
    named_entries,
    read_items,
    read_map,
    read_number,
    read_path,
    read_text,
)
from engine.rules.timezones import local_hour

_MAX_BUDGET_MS: Final = 60_000
_OFFSET: Final = re.compile(r"(?:UTC|GMT)? ?(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?", re.IGNORECASE)
_KINDS_OF_DERIVED: Final = ("bucket", "difference", "ratio", "hour", "part_of_day", "jmespath")


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
            source = read_source(entry, surroundings, findings)
        if source:
            sources[entry.key] = source
    derived: dict[str, Derived] = {}
    for entry in named_entries(reader.take("derived"), "`derived`", findings, member=True):
        with findings.about(f"enrichment.derived.{entry.key}"):
            made = _derived(entry, findings)
        # One at fault is known all the same: whoever reads it has made no mistake.
        derived[entry.key] = made or Derived(entry.key, "jmespath", (Extract("@"),), entry.key_span)
    reader.finish()
    return Enrichment(budget_ms, sources, derived)


def _derived(entry: Entry, findings: Findings) -> Derived | None:
    reader = read_map(entry.value, f"the derived field `{entry.key}`", findings)
    if reader is None:
        return None
    kinds = [kind for kind in _KINDS_OF_DERIVED if reader.has(kind)]
    if len(kinds) != 1:
        keys = [other.key for other in reader.node.entries]
        help = "one of " + ", ".join(f"`{kind}`" for kind in _KINDS_OF_DERIVED)
        message = f"a derived field says how it is computed once, not {len(kinds)} times"
        if keys and not kinds:
            nearest = next(
                (other for other in reader.node.entries if closest(other.key, _KINDS_OF_DERIVED)), reader.node.entries[0]
            )
            findings.add_unknown("E203", message, nearest.key_span, nearest.key, _KINDS_OF_DERIVED, otherwise=help)
        else:
            findings.add("E203", message, entry.key_span, help=help)
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
        if offset := _OFFSET.fullmatch(name):
            findings.add("E505", f"there is no time zone `{shown(name)}`", node.span, help=_instead_of_offset(offset))
            return None
        help = "write a name such as `Europe/Berlin` or `UTC`; a field is `{field: path}`"
        zones = sorted(available_timezones())
        findings.add_unknown("E505", f"there is no time zone `{shown(name)}`", node.span, name, zones, otherwise=help)
    return name or None


def _instead_of_offset(offset: "re.Match[str]") -> str:
    """The zones that are named by an offset have its sign the other way round."""
    other = "-" if offset["sign"] == "+" else "+"
    named = f"Etc/GMT{other}{int(offset['hours'])}"
    always = (
        f"; for this offset all the year round `{named}`" if local_hour(0, named) is not None and not offset["minutes"] else ""
    )
    return f"write a place such as `Europe/Berlin`, whose summer time is known{always}"


def _jmespath_args(reader: MapReader, node: Node) -> tuple[object, ...] | None:
    extract = read_jmespath(node, reader.findings)
    return None if extract is None else (extract,)


_DerivedKind = Literal["bucket", "difference", "ratio", "hour", "part_of_day", "jmespath"]

_DERIVED_ARGS: Final[dict[str, Callable[[MapReader, Node], tuple[object, ...] | None]]] = {
    "bucket": _bucket_args,
    "difference": _pair_args,
    "ratio": _pair_args,
    "hour": _hour_args,
    "part_of_day": _hour_args,
    "jmespath": _jmespath_args,
}
