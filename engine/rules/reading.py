"""Typed reads out of nodes; every fault becomes a finding.

In: nodes of `loader.py`. Out: the value asked for, or the default after a finding. Rule of the file: it knows kinds and units, not rules.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from engine.rules.diagnostics import Edit, Findings, Related, all_of, shown
from engine.rules.durations import as_duration, duration_fix, parse_duration
from engine.rules.model import Path, Scalar
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode, is_null, kind_of
from engine.rules.other_words import key_of_ours
from engine.rules.paths import PathInvalid, parse_path
from engine.rules.places import Span

MAX_LIST_ITEMS: Final = 10_000
MAX_NAME_CHARS: Final = 100

_KEY_AND_VALUE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:\S")
_MAX_DURATION_MS: Final = 3_650 * 86_400_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MEMBER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION_HELP: Final = "write a whole number and a unit: `500ms`, `30s`, `5m`, `1h`, `7d`"


class MapReader:
    """Reads one map key by key, and at the end knows which keys nobody asked for.

    `where` names the map in messages. Every read marks its key as known; call `finish` once, after the last one.
    """

    def __init__(self, node: MapNode, where: str, findings: Findings) -> None:
        self.node = node
        self.where = where
        self.findings = findings
        self._known: list[str] = []
        self._missing: dict[str, str] = {}

    def take(self, key: str, *, required: bool = False, example: str = "") -> Node | None:
        """The value of `key`, or None. `null` counts as missing, with a finding. `example` is the line to write."""
        self._known.append(key)
        value = self.node.get(key)
        if value is None:
            if required:
                self._missing[key] = f"write `{example}`" if example else ""
            return None
        if is_null(value):
            self.findings.add(
                "E211",
                f"`{key}` has no value",
                value.span,
                help=f"write `{example}`" if example else "give it a value or leave it out",
            )
            return None
        return value

    def allow(self, key: str) -> None:
        """Take `key` as known; its value is read elsewhere."""
        self._known.append(key)

    def has(self, key: str) -> bool:
        """Whether the key is written, with any value."""
        return self.node.get(key) is not None

    def text(self, key: str, default: str = "", *, required: bool = False, example: str = "") -> str:
        """The text under `key`."""
        node = self.take(key, required=required, example=example)
        return default if node is None else read_text(node, f"`{key}`", self.findings, default)

    def integer(self, key: str, default: int, minimum: int, maximum: int, *, required: bool = False, example: str = "") -> int:
        """The whole number under `key`, between the two bounds."""
        node = self.take(key, required=required, example=example)
        if node is None:
            return default
        number = read_whole(node, f"`{key}`", minimum, maximum, self.findings)
        return default if number is None else number

    def number(
        self, key: str, default: float, minimum: float, maximum: float, *, required: bool = False, example: str = ""
    ) -> float:
        """The number under `key`, between the two bounds."""
        node = self.take(key, required=required, example=example)
        number = None if node is None else read_number(node, f"`{key}`", minimum, maximum, self.findings)
        return default if number is None else number

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """`true` or `false` under `key`."""
        node = self.take(key)
        return default if node is None else read_boolean(node, f"`{key}`", self.findings, default=default)

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of a few words."""
        node = self.take(key)
        return default if node is None else read_choice(node, f"`{key}`", choices, self.findings) or default

    def duration_ms(
        self,
        key: str,
        default: int,
        *,
        minimum_ms: int = 0,
        maximum_ms: int = _MAX_DURATION_MS,
        required: bool = False,
        example: str = "",
    ) -> int:
        """The duration under `key`, in ms, between the two bounds."""
        node = self.take(key, required=required, example=example)
        duration_ms = None if node is None else read_duration_ms(node, f"`{key}`", self.findings)
        if node is None or duration_ms is None:
            return default
        if not minimum_ms <= duration_ms <= maximum_ms:
            help = f"between `{as_duration(minimum_ms)}` and `{as_duration(maximum_ms)}`"
            self.findings.add("E504", f"`{key}` of {as_duration(duration_ms)} is out of range", node.span, help=help)
        return duration_ms

    def path(self, key: str, *, required: bool = False, example: str = "") -> Path | None:
        """The path under `key`."""
        node = self.take(key, required=required, example=example)
        return None if node is None else read_path(node, self.findings)

    def map(self, key: str, *, required: bool = False, example: str = "") -> "MapReader | None":
        """The map under `key`, to be read and finished in turn."""
        node = self.take(key, required=required, example=example)
        return None if node is None else read_map(node, f"`{key}`", self.findings, example)

    def finish(self) -> None:
        """Report the keys that nobody asked for, and those that are missing and stand there under no other name either."""
        present = {entry.key for entry in self.node.entries}
        free = [key for key in self._known if key not in present]
        meant = {self._unknown(entry, free) for entry in self.node.entries if entry.key not in self._known}
        for key, help in self._missing.items():
            if key not in meant:
                self.findings.add("E202", f"`{key}` is missing in {self.where}", self.node.span, help=help)

    def _unknown(self, entry: Entry, free: Sequence[str]) -> str | None:
        """Report an unknown key; returns the one that was most likely meant."""
        message = f"unknown key `{shown(entry.key)}` in {self.where}"
        if ours := key_of_ours(entry.key, free):
            edits = (Edit(entry.key_span, ours),)
            self.findings.add("E201", message, entry.key_span, help=f"did you mean `{ours}`?", edits=edits)
            return ours
        if entry.key in {"enabled", "active", "disabled"} and "mode" in free:
            self.findings.add("E201", message, entry.key_span, help="one that is switched off says `mode: off`")
            return "mode"
        return self.findings.add_unknown("E201", message, entry.key_span, entry.key, free, otherwise=all_of(self._known))


def read_map(node: Node, what: str, findings: Findings, example: str = "") -> MapReader | None:
    """The node as a map to read from. `example` is what to write in the place of a single value."""
    if isinstance(node, MapNode):
        return MapReader(node, what, findings)
    findings.add(
        "E203", f"{what} is a map, not {described(node)}", node.span, help=_map_help(node, example), edits=blank_edits(node)
    )
    return None


def _map_help(node: Node, example: str) -> str:
    if lacks_blank(node):
        return "write `key: value`, with a blank after the colon"
    if isinstance(node, ListNode):
        return "leave out the `- `: write `name: …` on each line"
    if example:
        return f"write `{example}`"
    return "write `key: value` on the lines below"


def lacks_blank(node: Node) -> bool:
    """Whether the node is text such as `key:value`, which was meant as a map."""
    return isinstance(node, ScalarNode) and node.plain and _KEY_AND_VALUE.match(node.text) is not None


def blank_edits(node: Node) -> tuple[Edit, ...]:
    """The blank that text such as `key:value` lacks."""
    if not isinstance(node, ScalarNode) or not lacks_blank(node):
        return ()
    col = node.span.col + node.text.index(":") + 1
    return (Edit(Span(node.span.file, node.span.line, col, node.span.line, col), " "),)


def named_entries(node: Node | None, what: str, findings: Findings, *, member: bool = False) -> Iterator[Entry]:
    """The entries of a map from names to things; bad names are findings, and their entries are left out.

    `member` asks for names that can stand in a path without quotes.
    """
    reader = None if node is None or is_null(node) else read_map(node, what, findings)
    for entry in reader.node.entries if reader else ():
        if check_name(entry, what, findings, member=member):
            yield entry


def check_name(entry: Entry, what: str, findings: Findings, *, member: bool = False) -> bool:
    """Whether the key of `entry` can be a name."""
    pattern = _MEMBER if member else _NAME
    if pattern.fullmatch(entry.key) and len(entry.key) <= MAX_NAME_CHARS:
        return True
    allowed = "letters, digits and `_`" if member else "letters, digits, `_`, `-` and `.`"
    help = f"use {allowed}, beginning with a letter or `_`, at most {MAX_NAME_CHARS} characters"
    findings.add("E213", f"`{shown(entry.key)}` cannot be a name in {what}", entry.key_span, help=help)
    return False


def read_text(node: Node, what: str, findings: Findings, default: str = "") -> str:
    """The node as text."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        if node.value:
            return node.value
        findings.add("E203", f"{what} is empty", node.span)
        return default
    fix = f"'{node.text}'" if isinstance(node, ScalarNode) and node.text else ""
    findings.add("E203", f"{what} is text, not {described(node)}", node.span, fix=fix)
    return default


def read_boolean(node: Node, what: str, findings: Findings, *, default: bool = False) -> bool:
    """The node as true or false."""
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    word = node.text.lower() if isinstance(node, ScalarNode) else ""
    fix = "true" if word in {"yes", "on", "y", "true", "1"} else "false" if word in {"no", "off", "n", "false", "0"} else ""
    findings.add("E203", f"{what} is true or false, not {described(node)}", node.span, fix=fix)
    return default


def read_number(
    node: Node, what: str, minimum: float, maximum: float, findings: Findings, usual: str = "`10` or `0.5`"
) -> int | float | None:
    """The node as a number between the two bounds. `usual` says how one is written."""
    if not isinstance(node, ScalarNode) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        fix = _as_number_text(node)
        findings.add(
            "E203",
            f"{what} is a number, not {described(node)}",
            node.span,
            help="" if fix else _number_help(node, usual),
            fix=fix,
        )
        return None
    if not minimum <= node.value <= maximum:
        upper = "" if math.isinf(maximum) else f" and at most {shown(maximum)}"
        findings.add("E205", f"{what} is {node.text}, out of range", node.span, help=f"at least {shown(minimum)}{upper}")
        return None
    return node.value


def read_whole(node: Node, what: str, minimum: int, maximum: int, findings: Findings) -> int | None:
    """The node as a whole number between the two bounds."""
    number = read_number(node, what, minimum, maximum, findings, usual="`10`")
    if number is not None and number != int(number):
        findings.add("E203", f"{what} is a whole number, not {shown(number)}", node.span)
        return None
    return None if number is None else int(number)


def _number_help(node: Node, usual: str) -> str:
    text = node.text if isinstance(node, ScalarNode) else ""
    if (duration_ms := parse_duration(text)) is not None:
        return f"units are not converted: write {duration_ms} for a field in ms"
    return "write a share as a number: 0.5 for 50 %" if text.endswith("%") else f"write {usual}"


def _as_number_text(node: Node) -> str:
    bare = node.text.replace("_", "").replace(",", "") if isinstance(node, ScalarNode) else ""
    if re.fullmatch(r"[1-9][0-9]*[kKM]", bare):
        return str(int(bare[:-1]) * (1_000_000 if bare.endswith("M") else 1_000))
    return bare if re.fullmatch(r"-?[1-9][0-9]*(\.[0-9]+)?", bare) else ""


def read_choice(node: Node, what: str, choices: Sequence[str], findings: Findings) -> str | None:
    """The node as one of a few words."""
    if isinstance(node, ScalarNode) and node.value in choices:
        return str(node.value)
    help = "one of " + ", ".join(f"`{choice}`" for choice in choices)
    text = node.text if isinstance(node, ScalarNode) else ""
    seen = f"`{shown(text)}`" if text else kind_of(node)
    findings.add_unknown("E204", f"{what} cannot be {seen}", node.span, text, choices, otherwise=help)
    return None


def read_duration_ms(node: Node, what: str, findings: Findings) -> int | None:
    """The node as a duration in ms, at most ten years."""
    text = node.text if isinstance(node, ScalarNode) else ""
    duration_ms = parse_duration(text)
    if duration_ms is None:
        fix, sure = duration_fix(text)
        message = f"{what} is a duration, not {described(node)}"
        findings.add("E206", message, node.span, help="" if fix else _DURATION_HELP, fix=fix, sure=sure)
        return None
    if duration_ms > _MAX_DURATION_MS:
        findings.add("E206", f"{what} of `{text}` is longer than ten years", node.span)
        return None
    return duration_ms


def read_path(node: Node, findings: Findings) -> Path | None:
    """The node as a path to a field."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        only = node.items[0] if isinstance(node, ListNode) and len(node.items) == 1 else node
        if isinstance(node, MapNode) and [entry.key for entry in node.entries] == ["field"]:
            only = node.entries[0].value
        text = only.text if isinstance(only, ScalarNode) else ""
        fix = text if only is not node else f"'\"{text}\"'" if text else ""
        help = "" if fix else "name one field"
        findings.add("E207", f"the name of a field is expected, not {described(node)}", node.span, help=help, fix=fix)
        return None
    try:
        return parse_path(node.value, node.span)
    except PathInvalid as error:
        findings.add("E207", error.message, node.span, help=error.hint)
        return None


def read_key_path(entry: Entry, findings: Findings) -> Path | None:
    """The key of an entry as a path to a field."""
    node = ScalarNode(entry.key, entry.key, plain=True, span=entry.key_span)
    if is_null(entry.value) and lacks_blank(node):
        findings.add(
            "E207",
            f"`{shown(entry.key)}` lacks a blank after its `:`",
            node.span,
            help=_map_help(node, ""),
            edits=blank_edits(node),
        )
        return None
    return read_path(node, findings)


def read_items(node: Node, what: str, findings: Findings) -> tuple[Node, ...]:
    """The items of a list that must not be empty."""
    if not isinstance(node, ListNode):
        fix = f"[{node.text}]" if isinstance(node, ScalarNode) and node.text else ""
        findings.add("E203", f"{what} is a list, not {described(node)}", node.span, fix=fix)
        return ()
    if not node.items:
        findings.add("E203", f"{what} is an empty list", node.span, help="give it an item or leave it out")
    if len(node.items) > MAX_LIST_ITEMS:
        findings.add("E503", f"{what} has {len(node.items):,} items, more than {MAX_LIST_ITEMS:,}", node.span)
        return ()
    return node.items


def read_scalar(node: Node, what: str, findings: Findings) -> Scalar | None:
    """The node as text, a number, or true or false."""
    if isinstance(node, ScalarNode) and node.value is not None:
        return node.value
    code = "E211" if is_null(node) else "E203"
    findings.add(code, f"{what} is one value, not {described(node)}", node.span)
    return None


def one_or_many(node: Node, what: str, findings: Findings) -> tuple[Node, ...]:
    """The items of a list, or the node alone."""
    return read_items(node, what, findings) if isinstance(node, ListNode) else (node,)


def described(node: Node) -> str:
    """What stands there, for a message: the value with its kind, or just the kind of a list or a map."""
    if isinstance(node, ScalarNode) and node.value is not None:
        return f"the text `{shown(node.text)}`" if isinstance(node.value, str) else f"`{shown(node.text)}`"
    return kind_of(node)


def merged(nodes: Sequence[Node], section: str, findings: Findings, combined: Sequence[str] = ()) -> MapNode | None:
    """The parts of a section that is spread over files, as one map; None where there is none.

    A name that stands in two parts is a finding, and the first one counts; the keys in `combined` are maps that are
    merged in the same way.
    """
    entries: dict[str, Entry] = {}
    parts: dict[str, list[Node]] = {key: [] for key in combined}
    maps = [reader.node for node in nodes if not is_null(node) and (reader := read_map(node, f"`{section}`", findings))]
    for entry in (entry for part in maps for entry in part.entries):
        first = entries.setdefault(entry.key, entry)
        if entry.key in parts:
            parts[entry.key].append(entry.value)
        elif first is not entry:
            related = (Related("first declared here", first.key_span),)
            findings.add(
                "E301",
                f"`{shown(entry.key)}` is declared twice in `{section}`",
                entry.key_span,
                help="rename one of them",
                related=related,
            )
    for key, values in parts.items():
        if len(values) > 1 and (whole := merged(values, f"{section}.{key}", findings)):
            entries[key] = Entry(key, entries[key].key_span, whole)
    return MapNode(tuple(entries.values()), maps[0].span) if maps else None
