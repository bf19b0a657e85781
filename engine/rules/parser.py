"""Nodes to a ruleset: the sections of all files, put together.

In: one node per file, the event schemas, and what the machine provides. Out: what was understood, and every fault of structure in every
file at once. Rule of the file: sections may be spread over files in any way; which file a rule stands in never matters.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from engine.rules.diagnostics import Edit, Findings, closest
from engine.rules.model import Events, Ruleset
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.rules.other_words import key_of_ours
from engine.rules.parse_aggregations import parse_aggregations
from engine.rules.parse_enrichment import parse_enrichment
from engine.rules.parse_events import Schemas, parse_deduplication, parse_events
from engine.rules.parse_filters import parse_conditions, parse_filters, parse_lists, parse_routes
from engine.rules.parse_sources import Surroundings
from engine.rules.parse_tests import parse_tests
from engine.rules.paths import parse_path
from engine.rules.places import Span
from engine.rules.reading import MapReader, read_choice, read_map

SECTIONS: Final = (
    "events",
    "deduplication",
    "enrichment",
    "aggregations",
    "filters",
    "routes",
    "conditions",
    "lists",
    "tests",
)

_ROUTINGS: Final = ("all_matches", "first_match")
_NO_EVENTS: Final = Events(parse_path("event_type"), parse_path("timestamp"), None)


@dataclass(frozen=True, slots=True)
class Written:
    """A ruleset as far as it was understood, and what the checks need beyond it.

    `ruleset` is complete only where there are no error findings. `lists` and `conditions` are the entries as written;
    `has_events` says whether there is a usable `events` section; `has_tests` whether any file has a `tests` section.
    `declared` has the names of all filters, aggregations, routes and sources, and of measures behind their aggregation's (`by_user.count`), those at fault as well: they
    are known, if not usable.
    """

    ruleset: Ruleset
    lists: tuple[Entry, ...]
    conditions: tuple[Entry, ...]
    has_events: bool
    has_tests: bool
    declared: frozenset[str]


def parse(
    files: Mapping[str, Node | None],
    schemas: Schemas,
    digest: str,
    surroundings: Surroundings,
    measure_plugins: Collection[str],
    findings: Findings,
) -> Written:
    """Read all files, in the order given. A file of None could not be read; its findings are there already."""
    sections = _sections(files, findings)
    events = parse_events(sections["events"], schemas, findings)
    if events is None and not sections["events"] and None not in files.values():
        place = Span(next(iter(files), ""), 1, 1, 1, 1)
        help = "write `events: {type: event_type, time: timestamp, types: {…}}`"
        findings.add("E216", "no file has an `events` section", place, help=help)
    conditions, condition_entries = parse_conditions(sections["conditions"], findings)
    lists, list_entries = parse_lists(sections["lists"], findings)
    ruleset = Ruleset(
        digest,
        events or _NO_EVENTS,
        parse_deduplication(sections["deduplication"], findings),
        parse_enrichment(sections["enrichment"], surroundings, findings),
        parse_aggregations(sections["aggregations"], measure_plugins, findings),
        parse_routes(sections["routes"], findings),
        parse_filters(sections["filters"], findings),
        _routing(sections["routing"], findings),
        conditions,
        lists,
        parse_tests(sections["tests"], findings),
    )
    declared = frozenset(_declared(sections))
    return Written(ruleset, list_entries, condition_entries, events is not None, bool(sections["tests"]), declared)


def _declared(sections: Mapping[str, list[Node]]) -> Iterator[str]:
    for section in ("filters", "aggregations", "routes"):
        for entry in _entries(sections[section]):
            yield entry.key
    for part in _entries(sections["enrichment"]):
        if part.key == "sources":
            yield from (entry.key for entry in _entries([part.value]))
    for aggregation in _entries(sections["aggregations"]):
        for part in _entries([aggregation.value]):
            if part.key == "measures" or key_of_ours(part.key, ("measures",)):
                yield from (f"{aggregation.key}.{entry.key}" for entry in _entries([part.value]))


def _entries(nodes: Iterable[Node]) -> Iterator[Entry]:
    """What stands in these maps, and one level down in what was written as a list of maps."""
    for node in nodes:
        if isinstance(node, MapNode):
            yield from node.entries
        elif isinstance(node, ListNode):
            yield from (entry for item in node.items if isinstance(item, MapNode) for entry in item.entries)


def _sections(files: Mapping[str, Node | None], findings: Findings) -> dict[str, list[Node]]:
    sections: dict[str, list[Node]] = {name: [] for name in (*SECTIONS, "routing")}
    for file, node in files.items():
        if node is not None:
            for name, value in _sections_of(file, node, findings):
                sections[name].append(value)
    return sections


def _sections_of(file: str, node: Node, findings: Findings) -> Iterator[tuple[str, Node]]:
    if isinstance(node, ScalarNode) and node.value is None:
        node = MapNode((), Span(file, 1, 1, 1, 1))
    reader = read_map(node, "a rule file", findings)
    if reader is None:
        return
    _version(reader)
    for name in (*SECTIONS, "routing"):
        reader.allow(name)
        value = reader.node.get(name)
        if value is not None:
            yield name, value
    reader.finish()
    for entry in reader.node.entries:  # what stands under a misspelt section is not all missing
        meant = key_of_ours(entry.key, SECTIONS) or closest(entry.key, SECTIONS)
        if meant and entry.key not in {*SECTIONS, "routing", "version"} and not reader.has(meant):
            yield meant, entry.value


def _version(reader: MapReader) -> None:
    reader.allow("version")
    version = reader.node.get("version")
    if version is None:
        span = reader.node.span
        place = Span(span.file, span.line, span.col, span.line, span.col)
        edits = (Edit(place, "version: 1\n"),) if reader.node.entries else ()
        help = "write `version: 1` as its first line"
        reader.findings.add("E215", "the file does not say `version: 1`", place, help=help, edits=edits)
    elif not isinstance(version, ScalarNode) or version.value is True or version.value != 1:
        text = version.text if isinstance(version, ScalarNode) else ""
        reader.findings.add("E215", f"version `{text}` of the rules language is not known", version.span, fix="1")


def _routing(nodes: list[Node], findings: Findings) -> Literal["all_matches", "first_match"]:
    for extra in nodes[1:]:
        findings.add("E301", "`routing` is said twice", extra.span, help="say it once, beside `filters`")
    word = read_choice(nodes[0], "`routing`", _ROUTINGS, findings) if nodes else None
    return cast("Literal['all_matches', 'first_match']", word or "all_matches")
