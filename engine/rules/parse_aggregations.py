"""The section `aggregations`: keys, windows and measures.

In: its nodes. Out: `model.Aggregation`. Rule of the file: what an aggregation can hold is bounded when it is written: its keys, its panes, the
time it is kept.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from engine.rules.diagnostics import Edit, Findings, shown
from engine.rules.durations import as_duration
from engine.rules.model import Aggregation, Emit, Measure
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.rules.other_words import measure_of_ours
from engine.rules.parse_conditions import ConditionReader
from engine.rules.parse_events import duration_or_none_ms, read_route, route_fix
from engine.rules.reading import MapReader, described, merged, named_entries, read_map, read_path, read_text

FIELD_MEASURES: Final = ("sum", "avg", "min", "max", "first", "last", "distinct", "quantile", "top")
COMPUTED_MEASURES: Final = ("ratio", "difference")
BUILT_IN_MEASURES: Final = ("count", *FIELD_MEASURES, *COMPUTED_MEASURES)

_MAX_KEYS: Final = 100_000_000
_MAX_TOP: Final = 1_000
_USUAL_TOP: Final = 10
_MAX_PANES: Final = 1_000
_MIN_WINDOW_MS: Final = 1_000
_MIN_IDLE_MS: Final = 1_000
_DEFAULT_EMIT: Final = Emit("")
_DEFAULT_RETAIN_MS: Final = 604_800_000


def parse_aggregations(nodes: Sequence[Node], plugins: Collection[str], findings: Findings) -> dict[str, Aggregation]:
    """The aggregations of all files, by id. `plugins` are the kinds of measure that are installed beside our own."""
    rules: dict[str, Aggregation] = {}
    for entry in named_entries(merged(nodes, "aggregations", findings), "`aggregations`", findings):
        with findings.about(f"aggregations.{entry.key}"):
            rule = _aggregation(entry, plugins, findings)
        if rule:
            rules[entry.key] = rule
    return rules


def _aggregation(entry: Entry, plugins: Collection[str], findings: Findings) -> Aggregation | None:
    reader = read_map(entry.value, f"the aggregation `{entry.key}`", findings)
    if reader is None:
        return None
    when_node = reader.take("when")
    conditions = ConditionReader(findings)
    description = reader.text("description")
    when = conditions.read(when_node) if when_node else None
    blocked = reader.choice("blocked", ("exclude", "include"), "exclude")
    key_node = reader.take("key", required=True, example="key: {user: user_id}")
    size_ms, every_ms = _window(reader.map("window", required=True, example="window: {tumbling: 1h}"))
    allow_late_ms, late_route = _late(reader.map("late", example="late: {allow: 1h, then: count}"))
    retain_ms = reader.duration_ms("retain", _DEFAULT_RETAIN_MS)
    max_keys = reader.integer("max_keys", 0, 1, _MAX_KEYS, required=True, example="max_keys: 100000")
    on_overflow = reader.choice("on_overflow", ("evict", "reject"), "evict")
    measures_node = reader.take("measures", required=True, example="measures: {events: count}")
    emit = _emit(reader.map("emit"))
    reader.finish()
    return Aggregation(
        entry.key,
        tuple((part.key, path) for part in _key_parts(key_node, findings) if (path := read_path(part.value, findings))),
        size_ms,
        every_ms,
        _measures(measures_node, conditions, plugins, findings),
        max_keys,
        when,
        cast("Literal['exclude', 'include']", blocked),
        allow_late_ms,
        late_route,
        retain_ms,
        cast("Literal['evict', 'reject']", on_overflow),
        emit,
        description,
        entry.key_span,
        {other.key: other.key_span for other in reader.node.entries},
    )


_NO_KEY: Final = frozenset(("none", "null", "nothing", "all", "global", "system"))


def _key_parts(node: Node | None, findings: Findings) -> tuple[Entry, ...]:
    if node is not None and not isinstance(node, MapNode):
        fix = f"{{{node.text.split('.')[-1]}: {node.text}}}" if isinstance(node, ScalarNode) and node.text else ""
        fix = "{}" if isinstance(node, ScalarNode) and node.text.lower() in _NO_KEY else fix
        help = "name each part: `key: {user: user_id}`; `{}` is one group for the whole system"
        findings.add("E203", f"`key` is a map of named parts, not {described(node)}", node.span, help=help, fix=fix)
        return ()
    return tuple(named_entries(node, "`key`", findings))


def _window(reader: MapReader | None) -> tuple[int, int]:
    if reader is None:
        return 0, 0
    findings = reader.findings
    if not reader.has("hopping") and not reader.has("tumbling"):
        findings.add(
            "E202", "the window has no kind", reader.node.span, help="write `{tumbling: 1h}` or `{hopping: 1h, every: 5m}`"
        )
        return 0, 0
    if reader.has("hopping"):
        size_ms = reader.duration_ms("hopping", 0, minimum_ms=_MIN_WINDOW_MS)
        every_ms = reader.duration_ms("every", 0, minimum_ms=_MIN_WINDOW_MS, required=True, example="every: 5m")
        _check_hopping(reader, size_ms, every_ms)
    else:
        size_ms = reader.duration_ms("tumbling", 0, minimum_ms=_MIN_WINDOW_MS, required=True, example="tumbling: 1h")
        every_ms = size_ms
    if reader.has("hopping") and reader.has("tumbling"):
        findings.add("E203", "a window is either tumbling or hopping", reader.node.span, help="leave one of them out")
        reader.take("tumbling")
    reader.finish()
    return size_ms, every_ms


def _check_hopping(reader: MapReader, size_ms: int, every_ms: int) -> None:
    if not size_ms or not every_ms:
        return
    if size_ms % every_ms:
        message = f"a window of {as_duration(size_ms)} cannot be cut into panes of {as_duration(every_ms)}"
        reader.findings.add("E504", message, reader.node.span, help="`hopping` is a multiple of `every`")
    elif size_ms // every_ms > _MAX_PANES:
        message = f"a window of {as_duration(size_ms)} has {size_ms // every_ms:,} panes of {as_duration(every_ms)}"
        reader.findings.add("E503", message, reader.node.span, help=f"at most {_MAX_PANES:,} are taken: make `every` longer")


def _late(reader: MapReader | None) -> tuple[int, str | None]:
    if reader is None:
        return 0, None
    allow_ms = reader.duration_ms("allow", 0)
    node = reader.take("then", example="then: count")
    reader.finish()
    if isinstance(node, MapNode):
        return allow_ms, read_route(node, "then", reader.findings)
    if node is not None and not (isinstance(node, ScalarNode) and node.text == "count"):
        fix = route_fix(node.text) if isinstance(node, ScalarNode) else ""
        help = "" if fix else "write `count` or `{route: NAME}`"
        reader.findings.add("E204", f"`then` cannot be {described(node)}", node.span, help=help, fix=fix)
    return allow_ms, None


def _emit(reader: MapReader | None) -> Emit | None:
    if reader is None:
        return None
    to = reader.text("to", required=True, example="to: NAME")
    node = reader.node.get("to")
    reader.choice("on", ("close",), "close")
    idle_ms = duration_or_none_ms(reader, "idle", _DEFAULT_EMIT.idle_ms, minimum_ms=_MIN_IDLE_MS)
    reader.finish()
    return Emit(to, idle_ms=idle_ms, span=node.span) if node else None


def _measures(
    node: Node | None, conditions: ConditionReader, plugins: Collection[str], findings: Findings
) -> tuple[Measure, ...]:
    if isinstance(node, MapNode) and not node.entries:
        findings.add("E203", "`measures` is empty", node.span, help="write `events: count`")
    made = [_measure(entry, conditions, plugins, findings) for entry in named_entries(node, "`measures`", findings)]
    return tuple(measure for measure in made if measure is not None)


def _measure(entry: Entry, conditions: ConditionReader, plugins: Collection[str], findings: Findings) -> Measure | None:
    known = (*BUILT_IN_MEASURES, *sorted(plugins))
    if isinstance(entry.value, ScalarNode) and entry.value.value is not None:
        return _bare_measure(entry, entry.value, known, findings)
    reader = read_map(entry.value, f"the measure `{entry.key}`", findings)
    if reader is None:
        return None
    kinds = [other.key for other in reader.node.entries if other.key in known]
    if len(kinds) != 1:
        _wrong_kinds(entry, reader.node, kinds, known, findings)
        return None
    measure = _MeasureReader(entry, kinds[0], reader, conditions).read()
    reader.finish()
    return measure


def _bare_measure(entry: Entry, node: ScalarNode, known: Sequence[str], findings: Findings) -> Measure | None:
    if node.value == "count":
        return Measure(entry.key, "count", span=entry.key_span)
    if node.text in known:
        findings.add("E203", f"`{node.text}` needs to know of what", node.span, fix=f"{{{node.text}: FIELD}}", sure=False)
    else:
        findings.add_unknown("E303", f"there is no measure `{shown(node.text)}`", node.span, node.text, known)
    return None


def _wrong_kinds(entry: Entry, node: MapNode, kinds: list[str], known: Sequence[str], findings: Findings) -> None:
    if len(kinds) > 1:
        both = " and ".join(f"`{kind}`" for kind in kinds)
        findings.add("E203", f"one measure cannot be {both}", entry.key_span, help="give each a name of its own")
        return
    first = node.entries[0] if node.entries else None
    span = first.key_span if first else node.span
    name = shown(first.key) if first else "nothing"
    if first and (offer := measure_of_ours(first.key, span)):
        findings.add("E303", f"there is no measure `{name}`", span, help=offer.help, edits=offer.edits)
        return
    help = "one of " + ", ".join(f"`{kind}`" for kind in known)
    findings.add_unknown("E303", f"there is no measure `{name}`", span, first.key if first else "", known, otherwise=help)


@dataclass(frozen=True, slots=True)
class _MeasureReader:
    """Reads a measure of a known kind."""

    entry: Entry
    kind: str
    reader: MapReader
    conditions: ConditionReader

    def read(self) -> Measure | None:
        """The measure, or None after a finding."""
        if self.kind == "count":
            return self._count()
        if self.kind in COMPUTED_MEASURES:
            return self._computed()
        return self._of_field()

    def _count(self) -> Measure | None:
        node = self.reader.take("count", example=f"{self.entry.key}: count")
        if node is None:
            return None
        if isinstance(node, ScalarNode):
            is_name = isinstance(node.value, str) and node.text.replace(".", "_").isidentifier()
            example = f"{{{shown(node.text)}: true}}" if is_name else "{field: value}"
            help = f"write `{self.entry.key}: count`, or count where a condition holds: `count: {example}`"
            message = f"`count` takes a condition, not {described(node)}"
            edits = (Edit(self.reader.node.span, "count"),) if node.value is True else ()
            self.reader.findings.add("E203", message, node.span, help=help, edits=edits)
            return None
        condition = self.conditions.read(node)
        return None if condition is None else Measure(self.entry.key, "count", condition=condition, span=self.entry.key_span)

    def _of_field(self) -> Measure | None:
        name, span = self.entry.key, self.entry.key_span
        path = self.reader.path(self.kind, example=f"{self.kind}: FIELD")
        q, n, exact = None, None, False
        if self.kind == "quantile":
            q = self.reader.number("q", 0.5, 0, 1, required=True, example="q: 0.95")
        elif self.kind == "top":
            n = self.reader.integer("n", _USUAL_TOP, 1, _MAX_TOP)
        elif self.kind == "distinct":
            exact = self.reader.boolean("exact")
        if path is None:
            return None
        if self.kind not in FIELD_MEASURES:
            return Measure(name, "custom", path, plugin=self.kind, span=span)
        return Measure(name, self.kind, path, q=q, n=n, exact=exact, span=span)

    def _computed(self) -> Measure | None:
        findings = self.reader.findings
        example = f"{self.kind}: [correct, attempts]"
        node = self.reader.take(self.kind, example=example)
        if node is None:
            return None
        if not isinstance(node, ListNode) or len(node.items) != 2:
            found = f"a list of {len(node.items)}" if isinstance(node, ListNode) else described(node)
            findings.add(
                "E203", f"`{self.kind}` takes the names of two measures, not {found}", node.span, help=f"write `{example}`"
            )
            return None
        first, second = (read_text(item, "a measure", findings) for item in node.items)
        return Measure(self.entry.key, self.kind, of=(first, second), span=self.entry.key_span) if first and second else None
