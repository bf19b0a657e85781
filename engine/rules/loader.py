"""Text to nodes: YAML 1.2 core, with the traps of YAML 1.1 taken out.

In: the bytes of one file. Out: nodes with file, line and column, and a finding for everything that is not plain, bounded YAML.
Rule of the file: nothing raises, whatever the bytes; time and memory are linear in the file's size, which is bounded.

`no`, `on`, `12:30`, `017` and `2026-01-01` are text, `1e3` is a number. Nodes are made from the parser's events, without recursion:
a bomb of brackets or aliases meets a limit before it meets the stack.
"""

import re
from typing import Final

import yaml

from engine.rules.diagnostics import Findings, Related
from engine.rules.model import Scalar
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.rules.places import Span
from engine.rules.values import MAX_INTEGER, MIN_INTEGER
from engine.rules.yaml_faults import add_syntax_finding

MAX_FILE_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 50
MAX_ALIASED_NODES: Final = 10_000

_LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_MARK: Final = "\ufeff"
_MAY_BE_NO_TEXT: Final = frozenset("0123456789+-.~nNtTfF")
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_INTEGER_CHARS: Final = 24
_TWICE: Final = {
    1: "put what belongs to it under one of them",
    2: "keep one, or give the other a name of its own",
}
"""What to do about a key that stands twice, by the depth of its map: sections, and what stands in them."""
_NO_NUMBER: Final = "not a number that JSON can hold"


def split_lines(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _LINE_BREAK.split(text)


def line_starts(text: str) -> list[int]:
    """The offset at which each line begins, as YAML counts lines."""
    return [0, *(found.end() for found in _LINE_BREAK.finditer(text))]


def load_yaml(file: str, data: bytes, findings: Findings) -> Node | None:
    """The one document of a file, or None where it cannot be read; then a finding says why.

    `file` is only used as the place of findings. An empty file is null. After a finding the node may still hold the
    readable rest: an entry whose key cannot be used is left out, and so is the second of two with the same key.
    """
    text = _decode(file, data, findings)
    if text is None:
        return None
    builder = _Builder(file, findings)
    try:
        parser = yaml.CSafeLoader(text)
        while (event := parser.get_event()) is not None:
            if not builder.feed(event):
                return None
    except yaml.YAMLError as error:
        add_syntax_finding(error, file, split_lines(text), findings)
        return None
    return builder.root or ScalarNode(None, "", plain=True, span=Span(file, 1, 1, 1, 1))


def resolve(text: str) -> Scalar | None:
    """What an unquoted scalar means by the YAML 1.2 core schema, except that `017` stays text.

    Raises ValueError for a number that JSON cannot hold: an integer beyond 64 bits, infinity, not-a-number.
    """
    if text and text[0] not in _MAY_BE_NO_TEXT:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if abs(number) == float("inf"):
            raise ValueError(_NO_NUMBER)
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(_NO_NUMBER)
    return text


def _integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_CHARS:
        raise ValueError(_NO_NUMBER)
    number = int(text, 0)
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise ValueError(_NO_NUMBER)
    return number


def _decode(file: str, data: bytes, findings: Findings) -> str | None:
    start = Span(file, 1, 1, 1, 1)
    if len(data) > MAX_FILE_BYTES:
        message = f"the file has {len(data):,} bytes, more than {MAX_FILE_BYTES:,}"
        findings.add("E109", message, start, help="split it: sections may be spread over files")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = split_lines(data[: error.start].decode("utf-8", errors="replace"))
        place = Span(file, len(before), len(before[-1]) + 1, len(before), len(before[-1]) + 2)
        findings.add("E101", f"byte 0x{data[error.start]:02x} is not UTF-8", place, help="save the file as UTF-8")
        return None
    control = _CONTROL.search(text)
    if control:
        before = split_lines(text[: control.start()])
        place = Span(file, len(before), len(before[-1]) + 1, len(before), len(before[-1]) + 2)
        message = f"the character U+{ord(control[0]):04X} cannot stand in a rule file"
        help = f'remove it, or write it as an escape, `"\\u{ord(control[0]):04x}"`, in double quotes'
        if control[0] == _MARK:
            help = "remove it: it marked the beginning of a file that was put behind another"
        findings.add("E101", message, place, help=help)
        return None
    return text


class _Open:
    """A collection that is not closed yet."""

    __slots__ = ("anchor", "entries", "in_brackets", "is_map", "items", "keys", "pending", "size", "start")

    def __init__(self, event: yaml.CollectionStartEvent, start: Span) -> None:
        self.is_map = isinstance(event, yaml.MappingStartEvent)
        self.in_brackets = bool(event.flow_style)
        self.anchor = event.anchor
        self.start = start
        self.items: list[Node] = []
        self.entries: list[Entry] = []
        self.keys: dict[str, Span] = {}
        self.pending: tuple[str | None, Span] | None = None
        self.size = 1

    @property
    def wants_key(self) -> bool:
        return self.is_map and self.pending is None


class _Builder:
    """Makes nodes from the events of one document."""

    def __init__(self, file: str, findings: Findings) -> None:
        self.root: Node | None = None
        self._file = file
        self._findings = findings
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._aliased = 0
        self._documents = 0

    def feed(self, event: yaml.Event) -> bool:
        """Take the next event; False where the rest of the file cannot be made sense of."""
        if isinstance(event, yaml.ScalarEvent):  # half of all events: a `match` over all kinds takes twice as long
            self._scalar(event)
            return True
        match event:
            case yaml.CollectionStartEvent():
                return self._start(event)
            case yaml.CollectionEndEvent():
                self._end(event)
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.DocumentStartEvent():
                return self._document(event)
        return True

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:
            raise TypeError("the C parser marks every event")
        return Span(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _document(self, event: yaml.Event) -> bool:
        self._documents += 1
        if self._documents > 1:
            help = "one file holds one document; sections may be spread over files"
            self._findings.add("E107", "a second YAML document starts here", self._span(event), help=help)
        return self._documents == 1

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        span, text = self._span(event), event.value
        if event.tag is not None:
            self._refuse_tag(event.tag, span)
        plain = not event.style
        node = ScalarNode(self._value(text, span) if plain else text, text, plain, span)
        if self._open and self._open[-1].wants_key:
            self._key(node)
            return
        if event.anchor:
            self._anchors[event.anchor] = (node, 1)
        self._place(node, 1)

    def _value(self, text: str, span: Span) -> Scalar | None:
        try:
            return resolve(text)
        except ValueError as error:
            help = "integers go from -2^63 to 2^64-1; put digits that are an id in quotes"
            self._findings.add("E110", f"`{text[:40]}` is {error}", span, help=help)
            return 0

    def _key(self, node: ScalarNode) -> None:
        if isinstance(node.value, str) and not (node.plain and node.text == "<<"):
            self._open[-1].pending = (node.text, node.span)
            return
        self._open[-1].pending = (None, node.span)
        if node.text == "<<" and node.plain:
            help = "write the keys out, or use a named condition or list"
            self._findings.add("E106", "`<<` merges are not part of YAML 1.2", node.span, help=help)
            return
        before = self._open[-1].entries[-1].value if self._open[-1].in_brackets and self._open[-1].entries else None
        if node.text.isdecimal() and isinstance(before, ScalarNode) and before.plain and before.text.replace(".", "").isdecimal():
            help = "inside `{…}` a comma ends the value: a number has no separators, and a point before its fraction"
            self._findings.add("E108", f"the key `{node.text}` is not text", node.span, help=help)
            return
        self._findings.add("E108", f"the key `{node.text or 'null'}` is not text", node.span, fix=f"'{node.text}'")

    def _start(self, event: yaml.CollectionStartEvent) -> bool:
        span = self._span(event)
        if event.tag is not None:
            self._refuse_tag(event.tag, span)
        if self._open and self._open[-1].wants_key:
            help = "a `{…}` that stands for an environment variable or a template needs quotes"
            self._findings.add("E108", "a list or a map cannot be a key", span, help=help)
            return False
        if len(self._open) == MAX_DEPTH:
            self._findings.add(
                "E109", f"nested more than {MAX_DEPTH} levels deep", span, help="name parts of it under `conditions:`"
            )
            return False
        self._open.append(_Open(event, span))
        return True

    def _end(self, event: yaml.Event) -> None:
        done = self._open.pop()
        last = self._span(event)
        if not done.in_brackets:  # the end of an indented collection is only noticed further down
            last = done.entries[-1].value.span if done.entries else done.items[-1].span if done.items else last
        span = Span(self._file, done.start.line, done.start.col, last.end_line, last.end_col)
        node: Node = MapNode(tuple(done.entries), span) if done.is_map else ListNode(tuple(done.items), span)
        if done.anchor:
            self._anchors[done.anchor] = (node, done.size)
        self._place(node, done.size)

    def _alias(self, event: yaml.AliasEvent) -> bool:
        span = self._span(event)
        if self._open and self._open[-1].wants_key:
            self._findings.add(
                "E108", f"the alias `*{event.anchor}` cannot be a key", span, help="put a key that starts with `*` in quotes"
            )
            return False
        if event.anchor not in self._anchors:
            help = f"an anchor `&{event.anchor}` must be complete before it is used; text that starts with `*` needs quotes"
            self._findings.add("E104", f"the alias `*{event.anchor}` refers to nothing", span, help=help)
            return False
        node, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED_NODES:
            help = "write the values out, or name them under `lists:` or `conditions:`"
            self._findings.add("E104", f"aliases repeat more than {MAX_ALIASED_NODES:,} values", span, help=help)
            return False
        self._place(node, size)
        return True

    def _place(self, node: Node, size: int) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += size
        if not parent.is_map:
            parent.items.append(node)
            return
        key, span = parent.pending or (None, node.span)
        parent.pending = None
        if key is None:
            return
        first = parent.keys.setdefault(key, span)
        if first is not span:
            help = _TWICE.get(len(self._open), "keep one; two tests of one field go into one map: `{gte: 5, lt: 10}`")
            related = (Related(f"`{key}` is first written here", first),)
            self._findings.add("E103", f"the key `{key}` is written twice", span, help=help, related=related)
            return
        parent.entries.append(Entry(key, span, node))

    def _refuse_tag(self, tag: str, span: Span) -> None:
        short = tag.replace("tag:yaml.org,2002:", "!!")
        self._findings.add("E105", f"the tag `{short}` is not taken", span, help="leave it out; quotes make a value text")
