"""Conditions: `{event_type: attempt, any: [{score: {lt: 0.2}}, {use: slow}]}`.

In: the node under `when`, `conditions` or a measure. Out: a `model.Condition`, or None after findings. Rule of the file: only the words
all, any, none, not and use join tests; a map holds where every line of it holds.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from engine.rules.diagnostics import Edit, Findings, closest, is_sure, shown
from engine.rules.model import All, AnyOf, Condition, FieldRef, Not, Path, Test, Use
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode, is_null
from engine.rules.other_words import OTHER_WORDS, like_of_sql
from engine.rules.parse_operands import EQUALITY, FLAGS, OPERATORS, ORDER, TEXT, TEXT_LISTS, VALUE_LISTS, Operand, read_operand
from engine.rules.places import Span
from engine.rules.reading import blank_edits, described, lacks_blank, read_boolean, read_key_path

MAX_CONDITION_DEPTH: Final = 8
MAX_TESTS: Final = 200

_MAX_SHOWN_ITEMS: Final = 10

_JOINING: Final = frozenset(("all", "any", "none", "not", "use"))
_MODIFIERS: Final = ("ignore_case", "if_missing")
_CASED: Final = EQUALITY | TEXT | TEXT_LISTS | VALUE_LISTS | {"matches", "matches_any"}
_LONG_WORDS: Final = tuple(word for word in OTHER_WORDS if "_" in word)
"""A short word may as well be a member's name: `country` is not meant for `count`."""
_NUMBERS: Final = ORDER | {"eq", "ne", "between", "in", "not_in"}


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where in a condition we are: inside a negation, inside an element of an array, how deep."""

    negated: bool = False
    element: bool = False
    depth: int = 1


class ConditionReader:
    """Reads the conditions of one rule, within the limits of one rule."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._tests = 0

    def read(self, node: Node) -> Condition | None:
        """The condition, without the parts of it that are at fault; None where none is left."""
        return self._condition(node, _Scope())

    def _condition(self, node: Node, scope: _Scope) -> Condition | None:
        if scope.depth > MAX_CONDITION_DEPTH:
            help = "name a part of it under `conditions:` and `use` it"
            self._findings.add("E503", f"a condition nested more than {MAX_CONDITION_DEPTH} deep", node.span, help=help)
            return None
        if not isinstance(node, MapNode):
            message = f"a condition is a map, not {described(node)}"
            self._findings.add("E208", message, node.span, help=_condition_help(node), edits=blank_edits(node))
            return None
        if not node.entries:
            self._findings.add("E208", "an empty condition", node.span, help="say what must hold: `field: value`")
            return None
        return _joined([self._entry(entry, scope) for entry in node.entries], node.span)

    def _entry(self, entry: Entry, scope: _Scope) -> Condition | None:
        match entry.key:
            case "all" | "any" | "none":
                return self._several(entry, scope)
            case "not":
                return self._negated(entry, scope)
            case "use":
                return self._use(entry)
        if entry.key in {"and", "or", "nor"} and isinstance(entry.value, ListNode):
            word = OTHER_WORDS[entry.key]
            self._findings.add("E208", f"`{entry.key}` does not join conditions", entry.key_span, fix=word)
            return None
        if entry.key in _MODIFIERS and isinstance(entry.value, ScalarNode):
            help = f"write it into the test: `{{field: {{operator: value, {entry.key}: {entry.value.text}}}}}`; a member of the event is `$.{entry.key}`"
            message = f"`{entry.key}` stands beside the operator, in the map of its field"
            self._findings.add("E212", message, entry.key_span, help=help)
            return None
        path = self._path(entry, scope)
        tests = self._tests_of(path or Path(entry.key, ()), entry.value, scope)
        return tests if path else None

    def _path(self, entry: Entry, scope: _Scope) -> Path | None:
        path = read_key_path(entry, self._findings)
        if path is None:
            return None
        if scope.element and path.own:
            help = "inside `some` and `every` a path starts at the element"
            self._findings.add(
                "E207", f"`{path.text}` reaches out of the element", entry.key_span, help=help, fix=path.text.removeprefix("$.")
            )
        elif not scope.element and isinstance(path.steps[0], int):
            self._findings.add("E207", f"`{path.text}` starts with an index, but an event is a map", entry.key_span)
        else:
            return path
        return None

    def _several(self, entry: Entry, scope: _Scope) -> Condition | None:
        if not isinstance(entry.value, ListNode) or not entry.value.items:
            help = f"write `{entry.key}:` and below it one `- field: value` for each"
            what = "an empty list" if isinstance(entry.value, ListNode) else described(entry.value)
            self._findings.add("E208", f"`{entry.key}` takes a list of conditions, not {what}", entry.value.span, help=help)
            return None
        inner = replace(scope, depth=scope.depth + 1, negated=scope.negated or entry.key == "none")
        items = [self._condition(item, inner) for item in entry.value.items]
        parts = tuple(item for item in items if item is not None)
        if not parts:
            return None
        if entry.key == "any":
            return AnyOf(parts, entry.key_span)
        if entry.key == "none":
            parts = tuple(Not(part, entry.key_span) for part in parts)
        return All(parts, entry.key_span)

    def _negated(self, entry: Entry, scope: _Scope) -> Condition | None:
        if isinstance(entry.value, ListNode):
            self._findings.add(
                "E208", "`not` takes one condition, not a list", entry.value.span, help="to deny each of them write `none: […]`"
            )
            return None
        if isinstance(entry.value, MapNode) and len(entry.value.entries) > 1:
            keys = " and ".join(f"`{shown(inner.key)}`" for inner in entry.value.entries[:3])
            help = "for neither of them write `none: [{…}, {…}]`, for not both `not: {all: [{…}, {…}]}`"
            self._findings.add("E208", f"`not` of {keys} can be read in two ways", entry.key_span, help=help)
            return None
        item = self._condition(entry.value, replace(scope, depth=scope.depth + 1, negated=True))
        return None if item is None else Not(item, entry.key_span)

    def _use(self, entry: Entry) -> Condition | None:
        if isinstance(entry.value, ScalarNode) and isinstance(entry.value.value, str) and entry.value.value:
            return Use(entry.value.value, entry.value.span)
        help = "for several write `all: [{use: a}, {use: b}]`" if isinstance(entry.value, ListNode) else ""
        self._findings.add(
            "E208", f"`use` takes the name of one condition, not {described(entry.value)}", entry.value.span, help=help
        )
        return None

    def _tests_of(self, path: Path, node: Node, scope: _Scope) -> Condition | None:
        """The tests of one field: a scalar means eq, a map names operators."""
        if isinstance(node, ScalarNode):
            value = read_operand("eq", node, self._findings)
            if value is None:
                return None
            return self._counted(Test(path, "eq", value, span=path.span, value_spans=(node.span,)))
        if isinstance(node, ListNode):
            self._bare_list(path, node)
            return None
        operators = [entry for entry in node.entries if entry.key not in _MODIFIERS]
        if not operators:
            help = "name an operator, such as `eq: value`"
            self._findings.add("E208", f"no operator in the test of `{path.text}`", node.span, help=help)
            return None
        modifiers = self._modifiers(node, scope, {entry.key for entry in operators})
        return _joined([self._test(path, entry, modifiers, scope) for entry in operators], node.span)

    def _bare_list(self, path: Path, node: ListNode) -> None:
        items = [item.text for item in node.items if isinstance(item, ScalarNode) and item.plain]
        whole = 0 < len(items) == len(node.items) <= _MAX_SHOWN_ITEMS
        fix = f"{{in: [{', '.join(items)}]}}" if whole else "{in: […]}"
        help = "for a field that is a list itself write `has`, `has_any` or `has_all`"
        self._findings.add("E210", f"`{path.text}` is compared with a list", node.span, help=help, fix=fix, sure=whole)

    def _test(self, path: Path, entry: Entry, modifiers: "_Modifiers", scope: _Scope) -> Condition | None:
        if entry.key not in OPERATORS:
            self._unknown_operator(path, entry)
            return None
        value = self._operand(entry, scope)
        if value is None:
            return None
        ignore_case = modifiers.ignore_case and entry.key in _CASED
        if_missing = None if entry.key in FLAGS else modifiers.if_missing
        places = _places(entry.value)
        return self._counted(Test(path, entry.key, value, ignore_case, if_missing, entry.key_span, places))

    def _operand(self, entry: Entry, scope: _Scope) -> Operand | Condition | None:
        inner = replace(scope, element=True, depth=scope.depth + 1)
        if entry.key == "size":
            return self._size(entry.value)
        if entry.key in {"some", "every"}:
            return self._element(entry, inner)
        value = read_operand(entry.key, entry.value, self._findings)
        if isinstance(value, FieldRef) and scope.element and value.path.own:
            help = "inside `some` and `every` a path starts at the element"
            self._findings.add("E207", f"`{value.path.text}` reaches out of the element", value.path.span, help=help)
            return None
        return value

    def _size(self, node: Node) -> Condition | None:
        count = Path("", (), span=node.span)
        if isinstance(node, MapNode):
            wrong = next((entry for entry in node.entries if entry.key not in _NUMBERS), None)
            if wrong:
                help = "sizes are compared as numbers: `size: {gte: 1}`"
                message = f"`{shown(wrong.key)}` does not compare a size"
                self._findings.add_unknown("E209", message, wrong.key_span, wrong.key, sorted(_NUMBERS), otherwise=help)
                return None
        elif not isinstance(node, ScalarNode) or isinstance(node.value, bool) or not isinstance(node.value, int):
            help = "write `size: 3` or `size: {gte: 1}`"
            self._findings.add(
                "E210", f"`size` takes a whole number or a map of operators, not {described(node)}", node.span, help=help
            )
            return None
        return self._tests_of(count, node, _Scope(element=True))

    def _element(self, entry: Entry, scope: _Scope) -> Condition | None:
        """A map of operators tests the element itself, any other map is a condition on its members."""
        node = entry.value
        if not isinstance(node, MapNode):
            help = f"write `{entry.key}: {{field: value}}`, or `{entry.key}: {{gte: 1}}` for the elements themselves"
            if isinstance(node, ScalarNode) and not is_null(node) and entry.key == "some":
                help = f"for an element that is this value write `has: {node.text}` in place of `some`"
            self._findings.add("E210", f"`{entry.key}` takes a condition, not {described(node)}", node.span, help=help)
            return None
        words = {inner.key for inner in node.entries}
        if words and words <= OPERATORS | set(_MODIFIERS) and not words & _JOINING:
            return self._tests_of(Path("", (), span=node.span), node, scope)
        return self._condition(node, scope)

    def _modifiers(self, node: MapNode, scope: _Scope, operators: set[str]) -> "_Modifiers":
        ignore_case, if_missing = node.get("ignore_case"), node.get("if_missing")
        return _Modifiers(
            ignore_case is not None and self._ignore_case(ignore_case, operators),
            None if if_missing is None else self._if_missing(if_missing, scope, operators),
        )

    def _ignore_case(self, node: Node, operators: set[str]) -> bool:
        if not operators & _CASED and operators <= OPERATORS:
            self._findings.add("E212", "`ignore_case` has no text to compare here", node.span, help="leave it out")
        return read_boolean(node, "`ignore_case`", self._findings)

    def _if_missing(self, node: Node, scope: _Scope, operators: set[str]) -> Literal["match", "no_match"] | None:
        if scope.negated:
            help = "say it on a test without `not`, such as `ne` or `not_in`, or test `exists: true` beside it"
            self._findings.add("E212", "`if_missing` under `not` or `none` would be turned around", node.span, help=help)
        elif operators <= FLAGS:
            self._findings.add(
                "E212", "`exists` and `is_null` already say what a missing field means", node.span, help="leave `if_missing` out"
            )
        word = node.text if isinstance(node, ScalarNode) else ""
        if word == "match":
            return "match"
        if word == "no_match":
            return "no_match"
        message = f"`if_missing` is `match` or `no_match`, not {described(node)}"
        self._findings.add_unknown("E212", message, node.span, word, ("match", "no_match"))
        return None

    def _unknown_operator(self, path: Path, entry: Entry) -> None:
        message = f"unknown operator `{shown(entry.key)}`"
        if isinstance(entry.value, MapNode) and entry.value.entries and {one.key for one in entry.value.entries} <= OPERATORS:
            help = f"the operators stand in the map of `{path.text}` itself, side by side: `{{gte: 5, lt: 10}}`"
            self._findings.add("E209", message, entry.key_span, help=help)
            return
        offer = like_of_sql(entry.key, entry.key_span, entry.value)
        if offer:
            self._findings.add("E209", message, entry.key_span, help=offer.help, edits=offer.edits)
            return
        other = _other_word(entry.key)
        if other:
            edits = (Edit(entry.key_span, other),) if other in OPERATORS | set(_MODIFIERS) else ()
            self._findings.add("E209", message, entry.key_span, help=f"did you mean `{other}`?", edits=edits)
            return
        operator, value = (*re.split("[:;= ]+", entry.key, maxsplit=1), "")[:2]
        if value and operator in OPERATORS and is_null(entry.value):
            edits = (Edit(entry.key_span, f"{operator}: {value}"),)
            help = f"write `{operator}: {shown(value)}`, with a colon and a blank"
            self._findings.add("E209", message, entry.key_span, help=help, edits=edits)
            return
        if (denied := entry.key.removeprefix("not_")) != entry.key and denied in OPERATORS:
            help = f"what does not hold stands under `not`: `not: {{{shown(path.text)}: {{{denied}: …}}}}`"
            self._findings.add("E209", message, entry.key_span, help=help)
            return
        help = ""
        if path.text in {"then", "when"}:
            help = f"`{path.text}` stands beside the condition: close its `}}` before"
        elif entry.key.isdecimal():
            help = "inside `{…}` a comma ends the value: a number has no separators"
        elif not entry.key.isidentifier():
            help = "operators are words, such as `eq`, `lt`, `gte`, `in`, `contains`"
        elif path.text:
            help = f"a member of `{path.text}` is written with a dot: `{path.text}.{shown(entry.key)}`"
        known = sorted(OPERATORS | set(_MODIFIERS))
        self._findings.add_unknown("E209", message, entry.key_span, entry.key, known, otherwise=help)

    def _counted(self, test: Test) -> Test:
        self._tests += 1
        if self._tests == MAX_TESTS + 1:
            help = "use a list with `in`, or split the rule"
            self._findings.add("E503", f"a rule of more than {MAX_TESTS} tests", test.span, help=help)
        return test


@dataclass(frozen=True, slots=True)
class _Modifiers:
    ignore_case: bool
    if_missing: Literal["match", "no_match"] | None


def _joined(parts: list[Condition | None], span: Span) -> Condition | None:
    """All of the parts, those of a plain `All` taken in. Parts at fault are left out: the others are still checked."""
    flat: list[Condition] = []
    for part in parts:
        if part is not None:
            flat.extend(part.items if isinstance(part, All) else (part,))
    return All(tuple(flat), span) if len(flat) > 1 else flat[0] if flat else None


def _other_word(word: str) -> str | None:
    """Ours for a word of another language, or for one that is all but such a word and is not near to one of ours."""
    ours = OTHER_WORDS.get(word.lower())
    if ours is not None or closest(word, OPERATORS | set(_MODIFIERS)) is not None:
        return ours
    near = closest(word, _LONG_WORDS)
    return OTHER_WORDS[near] if near is not None and is_sure(word, near, _LONG_WORDS) else None


def _places(node: Node) -> tuple[Span, ...]:
    """Where the values stand that an operator compares with."""
    return tuple(item.span for item in node.items) if isinstance(node, ListNode) else (node.span,)


def _condition_help(node: Node) -> str:
    if isinstance(node, ListNode):
        return "join several with `all: […]` or `any: […]`"
    if lacks_blank(node):
        return "write `field: value`, with a blank after the colon"
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return "conditions are maps, not expressions: `field: value` or `field: {operator: value}`; a named one is `use: name`"
    return "write `field: value` or `field: {operator: value}`"
