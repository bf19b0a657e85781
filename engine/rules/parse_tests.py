"""The section `tests`: what must come out.

In: its nodes. Out: `model.RuleTest`, bodies as written. Rule of the file: a test that cannot fail is no test.
"""

from collections.abc import Callable, Sequence
from typing import Final, cast

from engine.rules.diagnostics import Findings, Related, shown
from engine.rules.mentions import mentions_in
from engine.rules.model import RuleTest
from engine.rules.nodes import ListNode, MapNode, Node, is_null, plain_value
from engine.rules.places import Span
from engine.rules.reading import MapReader, described, read_choice, read_duration_ms, read_items, read_map, read_text
from engine.rules.times import parse_time

STATUSES: Final = ("accepted", "duplicate", "blocked", "rejected", "retry")
FAULTS: Final = {
    "source": ("up", "timeout", "error", "breaker_open", "stale"),
    "store": ("up", "down"),
    "egress": ("up", "down", "refuse"),
}
"""What may happen to each part, in the words of a step; `up` ends it."""

_OUTCOME_KEYS: Final = (
    "status", "code", "message", "pointer", "filter", "filters", "not_filters", "marks", "routes", "topic", "copies", "late", "degraded",
    "event", "enrichment", "derived", "processing",
)  # fmt: skip
_WINDOW_KEYS: Final = ("aggregation", "key", "start", "end", "revision", "values")
_MAX_REVISION: Final = 1_000_000
_STEPS: Final = ("send", "advance", "expect", "source", "store", "egress", "reload")


def parse_tests(nodes: Sequence[Node], findings: Findings) -> tuple[RuleTest, ...]:
    """The tests of all files, in the order written."""
    tests: list[RuleTest] = []
    names: dict[str, Span] = {}
    for node in nodes:
        if not is_null(node):
            for item in read_items(node, "`tests`", findings):
                test = _test(item, names, findings)
                if test:
                    tests.append(test)
    return tuple(tests)


def _test(node: Node, names: dict[str, Span], findings: Findings) -> RuleTest | None:
    reader = read_map(node, "a test", findings)
    if reader is None:
        return None
    name_node = reader.take("name", required=True, example="name: a bot is blocked")
    name = read_text(name_node, "`name`", findings) if name_node else ""
    with findings.about(f"tests.{shown(name)}"):
        if name_node and name and names.setdefault(name, name_node.span) is not name_node.span:
            related = (Related("first used here", names[name]),)
            findings.add(
                "E301", f"two tests are called `{shown(name)}`", name_node.span, help="rename one of them", related=related
            )
        _body(reader)
        reader.finish()
    body = cast("dict[str, object]", plain_value(reader.node))
    return RuleTest(
        name,
        {key: value for key, value in body.items() if key != "name"},
        mentions_in(reader.node),
        name_node.span if name_node else node.span,
    )


def _body(reader: MapReader) -> None:
    findings = reader.findings
    _contexts(reader)
    if reader.has("now"):
        _instant(reader.take("now"), "`now`", findings)
    reader.allow("now")
    reader.allow("steps")
    event, steps, expect = reader.has("event"), reader.has("steps"), reader.has("expect")
    if event and steps:
        findings.add(
            "E214", "a test has an `event` or `steps`, not both", reader.node.span, help="send the event in a step: `- send: {…}`"
        )
    if steps:
        node = reader.take("steps")
        _steps(read_items(node, "`steps`", findings) if node else (), reader)
        if expect:
            node = reader.take("expect")
            findings.add(
                "E214", "`expect` beside `steps`", node.span if node else reader.node.span, help="make it a step: `- expect: {…}`"
            )
        return
    reader.map("event", required=True, example="event: {event_type: attempt}")
    node = reader.take("expect", required=True, example="expect: {status: accepted}")
    if node is not None:
        _expectation(node, findings, of_event=True)


def _contexts(reader: MapReader) -> None:
    """`given`: for each source what it finds, null for nothing."""
    given = reader.map("given")
    for entry in given.node.entries if given else ():
        if not isinstance(entry.value, MapNode) and not is_null(entry.value):
            reader.findings.add(
                "E214",
                f"what `{shown(entry.key)}` finds is a map, not {described(entry.value)}",
                entry.value.span,
                help="write `user: {user_type: premium}`, or null where it finds nothing",
            )


def _instant(node: Node | None, what: str, findings: Findings) -> None:
    if node is not None and parse_time(plain_value(node)) is None:
        help = 'write `"2026-03-02T09:00:00Z"`, or epoch milliseconds'
        findings.add("E214", f"{what} is a time, not {described(node)}", node.span, help=help)


def _steps(items: Sequence[Node], reader: MapReader) -> None:
    expects = False
    for item in items:
        step = read_map(item, "a step", reader.findings)
        if step is None:
            continue
        if len(step.node.entries) != 1:
            help = "write one `- ` for each: " + ", ".join(f"`{name}`" for name in _STEPS)
            reader.findings.add("E214", f"a step does one thing, this map does {len(step.node.entries)}", item.span, help=help)
            continue
        entry = step.node.entries[0]
        read = _STEP_READERS.get(entry.key)
        if read is None:
            message = f"unknown step `{shown(entry.key)}`"
            reader.findings.add_unknown("E201", message, entry.key_span, entry.key, _STEPS)
            continue
        expects = expects or entry.key == "expect"
        read(entry.value, reader.findings)
    if items and not expects:
        help = "add a step `- expect: {…}`"
        reader.findings.add("E214", "a test without an `expect` cannot fail", reader.node.span, help=help)


def _send(node: Node, findings: Findings) -> None:
    reader = read_map(node, "`send`", findings)
    if reader is None or not reader.has("template"):
        return
    reader.map("template")
    if reader.has("times"):
        reader.integer("times", 1, 1, 100_000)
    if reader.has("every"):
        reader.duration_ms("every", 0)
    reader.finish()


def _duration(node: Node, findings: Findings) -> None:
    read_duration_ms(node, "`advance`", findings)


def _expect_step(node: Node, findings: Findings) -> None:
    _expectation(node, findings, of_event=not (isinstance(node, MapNode) and node.get("aggregation")))


def _expectation(node: Node, findings: Findings, *, of_event: bool) -> None:
    reader = read_map(node, "`expect`", findings)
    if reader is None:
        return
    if not reader.node.entries:
        findings.add(
            "E214", "an empty `expect` cannot fail", node.span, help="say what must come out: `expect: {status: blocked}`"
        )
    if not of_event:
        _window_expectation(reader)
        return
    for key in _OUTCOME_KEYS:
        value = reader.take(key)
        if key == "status" and value is not None:
            read_choice(value, "`status`", STATUSES, findings)
    if reader.has("match"):
        value = reader.take("match")
        help = "write `filters: [id]` or `not_filters: [id]`"
        findings.add("E214", "`match` does not say of which filter", value.span if value else node.span, help=help)
    reader.finish()


def _window_expectation(reader: MapReader) -> None:
    revision = reader.integer("revision", 0, 0, _MAX_REVISION) if reader.has("revision") else None
    for key in _WINDOW_KEYS:
        node = reader.take(key)
        if key in {"start", "end"}:
            _instant(node, f"`{key}`", reader.findings)
    values = reader.map("values", required=revision != 0, example="values: {attempts: 5}")
    if values and not values.node.entries:
        reader.findings.add("E214", "empty `values` cannot fail", values.node.span, help="name a measure and its figure")
    reader.finish()


def _source(node: Node, findings: Findings) -> None:
    """A word for all sources, or for each source a word or what it finds from here on."""
    for entry in node.entries if isinstance(node, MapNode) else ():
        if not isinstance(entry.value, MapNode) and not is_null(entry.value):
            read_choice(entry.value, f"what happens to `{shown(entry.key)}`", FAULTS["source"], findings)
    if not isinstance(node, MapNode):
        read_choice(node, "what happens to all sources", FAULTS["source"], findings)


def _store(node: Node, findings: Findings) -> None:
    read_choice(node, "what happens to the store", FAULTS["store"], findings)


def _egress(node: Node, findings: Findings) -> None:
    read_choice(node, "what happens to the egress", FAULTS["egress"], findings)


def _directory(node: Node, findings: Findings) -> None:
    if isinstance(node, ListNode | MapNode):
        findings.add("E214", f"`reload` takes a directory, not {described(node)}", node.span)


_STEP_READERS: Final[dict[str, Callable[[Node, Findings], None]]] = {
    "send": _send,
    "advance": _duration,
    "expect": _expect_step,
    "source": _source,
    "store": _store,
    "egress": _egress,
    "reload": _directory,
}
