"""The right-hand side of a test: `{lt: 1000}`, `{in: [a, b]}`, `{eq: {field: item.id}}`.

In: an operator and the node behind it. Out: the operand as `model.Test` describes it, or None after a finding. Rule of the file: one value
where one is expected, a list where a list is; the finding for the other says what to write.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from engine.rules.diagnostics import Findings, shown
from engine.rules.durations import duration_fix, parse_duration
from engine.rules.model import FieldRef, ListRef, Scalar
from engine.rules.nodes import ListNode, MapNode, Node, ScalarNode, is_null
from engine.rules.patterns import regex_fault
from engine.rules.places import NOWHERE
from engine.rules.reading import MAX_LIST_ITEMS, described, read_duration_ms, read_path
from engine.rules.times import parse_time

Operand = Scalar | tuple[Scalar, ...] | FieldRef | ListRef

EQUALITY: Final = frozenset(("eq", "ne", "has"))
ORDER: Final = frozenset(("lt", "lte", "gt", "gte"))
TEXT: Final = frozenset(("contains", "starts_with", "ends_with"))
TEXT_LISTS: Final = frozenset(("contains_any", "contains_all", "starts_with_any", "ends_with_any"))
VALUE_LISTS: Final = frozenset(("in", "not_in", "has_any", "has_all"))
FLAGS: Final = frozenset(("exists", "is_null"))
_PATH: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+", re.IGNORECASE)
_MARKED_NAME: Final = re.compile(r"\$\{?([a-z][a-z0-9_]*)\}?")
"""A name as other languages write that of a variable."""

_LIKE_A_NAME: Final = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
"""A value that may as well be the name of a list: which was meant is a guess."""

_MOST_THAT_GOES_ROUND: Final = 366

AGES: Final = frozenset(("within", "older_than"))
ELEMENTS: Final = frozenset(("some", "every"))
OPERATORS: Final = (
    EQUALITY
    | ORDER
    | TEXT
    | TEXT_LISTS
    | VALUE_LISTS
    | FLAGS
    | AGES
    | ELEMENTS
    | {"between", "matches", "matches_any", "in_cidr", "size"}
)

_LIST_FORM: Final = {
    "eq": "in",
    "ne": "not_in",
    "has": "has_any",
    "contains": "contains_any",
    "starts_with": "starts_with_any",
    "ends_with": "ends_with_any",
    "matches": "matches_any",
}


def read_operand(operator: str, node: Node, findings: Findings) -> Operand | None:
    """The operand of any operator except `size`, `some` and `every`, whose operands are conditions."""
    if is_null(node):
        help = "for a missing field write `exists: false`, for a null one `is_null: true`"
        findings.add("E211", f"`{operator}` cannot compare with null", node.span, help=help)
        return None
    if operator in FLAGS:
        return _flag(operator, node, findings)
    if operator in AGES:
        return read_duration_ms(node, f"`{operator}`", findings)
    if operator == "between":
        return _between(node, findings)
    if operator in VALUE_LISTS | TEXT_LISTS | {"matches_any", "in_cidr"}:
        return _many(operator, node, findings)
    return _one(operator, node, findings)


def item_check(operator: str) -> Callable[[str, Node, Findings], Scalar | None]:
    """What each item of the operator's list, or the one value of it, must pass."""
    if operator in {"matches", "matches_any"}:
        return _regex
    if operator == "in_cidr":
        return _network
    if operator in TEXT | TEXT_LISTS:
        return _text
    return _order if operator in ORDER | {"between"} else _scalar


def _one(operator: str, node: Node, findings: Findings) -> Operand | None:
    if isinstance(node, ListNode):
        other = _LIST_FORM.get(operator)
        help = f"for several values write `{other}: […]`" if other else "for a range write `between: [low, high]`"
        fix = node.items[0].text if len(node.items) == 1 and isinstance(node.items[0], ScalarNode) and node.items[0].plain else ""
        findings.add("E210", f"`{operator}` takes one value, not a list", node.span, help="" if fix else help, fix=fix)
        return None
    if isinstance(node, MapNode):
        return _reference(operator, node, findings)
    return item_check(operator)(operator, node, findings)


def _many(operator: str, node: Node, findings: Findings) -> Operand | None:
    if isinstance(node, MapNode):
        return _reference(operator, node, findings)
    if isinstance(node, ScalarNode):
        if operator == "in_cidr":
            network = _network(operator, node, findings)
            return None if network is None else (network,)
        if named := _MARKED_NAME.fullmatch(node.text):
            help, fix = "a named list stands under `list`", f"{{list: {named[1]}}}"
            findings.add("E210", f"`{operator}` takes a list, not {described(node)}", node.span, help=help, fix=fix)
            return None
        single = next((one for one, many in _LIST_FORM.items() if many == operator), None)
        help = f"a single value is written `{single}: {node.text}`; a named list `{{list: {node.text}}}`" if single else ""
        findings.add(
            "E210",
            f"`{operator}` takes a list, not {described(node)}",
            node.span,
            help=help,
            fix=f"[{node.text}]",
            sure=not _LIKE_A_NAME.fullmatch(node.text),
        )
        return None
    return _items(operator, node, findings)


def _items(operator: str, node: ListNode, findings: Findings) -> tuple[Scalar, ...] | None:
    if not node.items:
        findings.add("E210", f"`{operator}` of an empty list never holds", node.span, help="give it a value")
        return None
    if len(node.items) > MAX_LIST_ITEMS:
        findings.add("E503", f"`{operator}` has {len(node.items):,} values, more than {MAX_LIST_ITEMS:,}", node.span)
        return None
    check = item_check(operator)
    values = [check(operator, item, findings) for item in node.items]
    return tuple(value for value in values if value is not None) if None not in values else None


def _reference(operator: str, node: MapNode, findings: Findings) -> FieldRef | ListRef | None:
    """`{field: path}` where one value is expected, `{list: name}` where many are."""
    many = operator in VALUE_LISTS | TEXT_LISTS | {"matches_any", "in_cidr"}
    wanted = "list" if many else "field"
    keys = [entry.key for entry in node.entries]
    form = "`[…]` or `{list: name}`" if many else "one value or `{field: path}`"
    if keys != [wanted]:
        help = f"write {form}" if keys not in (["list"], ["field"]) else _wrong_reference(operator, keys[0])
        findings.add("E210", f"`{operator}` takes {form}, not a map of {_quoted(keys)}", node.span, help=help)
        return None
    if operator == "matches":
        findings.add("E210", "`matches` takes a pattern, not a field", node.span, help="patterns are compiled before events come")
        return None
    value = node.entries[0].value
    if not many:
        path = read_path(value, findings)
        return None if path is None else FieldRef(path)
    if isinstance(value, ScalarNode) and isinstance(value.value, str):
        return ListRef(value.value, value.span)
    help = f"values stand there themselves: `{operator}: […]`" if isinstance(value, ListNode) else "write `{list: NAME}`"
    findings.add("E210", f"`list` is the name of a list, not {described(value)}", value.span, help=help)
    return None


def _wrong_reference(operator: str, key: str) -> str:
    if key == "list":
        other = _LIST_FORM.get(operator)
        return f"a list goes with `{other}`" if other else "a named list cannot stand here"
    return "a field holds one value: compare it with `eq`, or turn the test around with `has`"


def _quoted(keys: list[str]) -> str:
    return ", ".join(f"`{shown(key)}`" for key in keys[:5]) or "nothing"


def _scalar(operator: str, node: Node, findings: Findings) -> Scalar | None:
    if isinstance(node, ScalarNode) and node.value is not None:
        return node.value
    code = "E211" if is_null(node) else "E210"
    help = "for a missing field write `exists: false`, for a null one `is_null: true`" if is_null(node) else ""
    findings.add(
        code, f"a value of `{operator}` is text, a number, or true or false, not {described(node)}", node.span, help=help
    )
    return None


def _text(operator: str, node: Node, findings: Findings) -> str | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        if node.value:
            return node.value
        findings.add(
            "E210", f"`{operator}` with an empty text always holds", node.span, help="give it a text, or write `exists: true`"
        )
        return None
    fix = f"'{node.text}'" if isinstance(node, ScalarNode) and node.text else ""
    findings.add("E210", f"`{operator}` compares text, not {described(node)}", node.span, fix=fix)
    return None


def _regex(operator: str, node: Node, findings: Findings) -> str | None:
    pattern = _text(operator, node, findings)
    fault = None if pattern is None else regex_fault(pattern)
    if fault is None:
        return pattern
    findings.add("E501", fault.message, node.span, help=fault.help)
    return None


def _network(operator: str, node: Node, findings: Findings) -> str | None:
    text = _text(operator, node, findings)
    if text is None:
        return None
    try:
        ipaddress.ip_network(text)
    except ValueError:
        findings.add("E506", f"`{shown(text)}` is not an IP network", node.span, help=_network_help(text), fix=_network_fix(text))
        return None
    return text


def _network_help(text: str) -> str:
    return (
        "the bits after the prefix must be zero" if _network_fix(text) else "write `10.0.0.0/8`, `2001:db8::/32` or one address"
    )


def _network_fix(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return ""


def _order(operator: str, node: Node, findings: Findings) -> Scalar | None:
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and parse_time(value) is not None:
        return value
    text = node.text if isinstance(node, ScalarNode) else ""
    help, fix = _order_help(text)
    message = f"`{operator}` compares with a number or a time, not {described(node)}"
    findings.add("E210", message, node.span, help=help, fix=fix, sure="T" not in fix)  # which offset was meant is a guess
    return None


def _order_help(text: str) -> tuple[str, str]:
    quiet = Findings()
    number = text.replace(",", "").replace("_", "").replace(" ", "")
    if number.removeprefix("-").replace(".", "", 1).isdigit() and not number.removeprefix("-").startswith("0"):
        return "a number has no quotes and no separators", number
    if thousands := re.fullmatch(r"([1-9][0-9]*)[kK]", number):
        return "a number is written out", f"{thousands[1]}000"
    if number.isdecimal() and number.strip("0"):
        return f"a number begins with no `0`: write `{number.lstrip('0')}`", ""
    place = ScalarNode(text, text, plain=True, span=NOWHERE)
    duration_ms = read_duration_ms(place, "", quiet)
    if duration_ms is None and text[-1:].isalpha():
        duration_ms = parse_duration(duration_fix(text)[0])
    if duration_ms is not None:
        return (
            f"units are not converted: write {duration_ms} for a field in ms; for the age of a time write `within` or `older_than`",
            "",
        )
    if text.endswith("%"):
        return "write a share as a number: 0.5 for 50 %", ""
    if parse_time(f"{text}T00:00:00Z") is not None:
        return "a time needs its time of day and its offset", f"{text}T00:00:00Z"
    if parse_time(f"{text}Z") is not None:
        return "a time needs its offset", f"{text}Z"
    if text.startswith("{field:"):
        return "without the quotes it is the value of that field", text
    if _PATH.fullmatch(text):
        return f"the value of another field is written `{{field: {text}}}`", f"{{field: {text}}}"
    if _LIKE_A_NAME.fullmatch(text):
        return (
            f"a number is written `10` or `0.5`, a time `2026-03-01T00:00:00Z`, the value of another field `{{field: {text}}}`",
            "",
        )
    return "a number is written `10` or `0.5`, a time `2026-03-01T00:00:00Z`", ""


def _between(node: Node, findings: Findings) -> tuple[Scalar, ...] | None:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        help = "write `between: [low, high]`, both included; one side alone is `gte` or `lte`"
        what = f"a list of {len(node.items)}" if isinstance(node, ListNode) else described(node)
        findings.add("E210", f"`between` takes two values, not {what}", node.span, help=help)
        return None
    pair = _items("between", node, findings)
    if pair is None:
        return None
    low, high = pair
    if isinstance(low, str) is not isinstance(high, str):
        findings.add("E210", "`between` takes two numbers or two times, not one of each", node.span)
        return None
    if _position(low) > _position(high):
        _turn_round(low, high, node, findings)
        return None
    return pair


def _turn_round(low: Scalar, high: Scalar, node: Node, findings: Findings) -> None:
    """Hours, days and degrees begin anew after their last: whether such a pair is the wrong way round is the author's to say."""
    goes_round = not isinstance(low, str) and -_MOST_THAT_GOES_ROUND <= low <= _MOST_THAT_GOES_ROUND
    help = f"write `[{high}, {low}]`; if what lies outside is meant, as hours over midnight, `any: [{{… : {{gte: {low}}}}}, {{… : {{lte: {high}}}}}]`"
    message = "`between` with the larger value first never holds"
    findings.add("E210", message, node.span, help=help if goes_round else "", fix="" if goes_round else f"[{high}, {low}]")


def _position(value: Scalar) -> float:
    if isinstance(value, str):
        return parse_time(value) or 0
    return value


def _flag(operator: str, node: Node, findings: Findings) -> bool | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    word = node.text.lower() if isinstance(node, ScalarNode) else ""
    fix = "true" if word in {"yes", "on", "1", "true"} else "false" if word in {"no", "off", "0", "false"} else ""
    findings.add("E210", f"`{operator}` takes true or false, not {described(node)}", node.span, fix=fix)
    return None
