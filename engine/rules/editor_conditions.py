"""Conditions in the editor's schema: the project's own fields, each with the operators that its type takes.

In: the fields that are known. Out: definitions. Rule of the file: which operators there are, and which type takes which, is said by the
parser and the checks; here are only the forms of their operands and the words about them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from engine.rules.check_fields import _FITTING
from engine.rules.editor_fields import KnownField
from engine.rules.editor_parts import (
    ANY_SCALAR,
    PATH_NAME,
    Schema,
    choice,
    closed,
    described,
    flag,
    list_of,
    name_of,
    path,
    ref,
    words,
)
from engine.rules.model import Test
from engine.rules.parse_conditions import _CASED, _MODIFIERS, _NUMBERS
from engine.rules.parse_operands import AGES, ELEMENTS, FLAGS, ORDER, TEXT, TEXT_LISTS, VALUE_LISTS
from engine.rules.times import _MINUTE, _SECONDS

_TIME_PATTERN: Final = f"^{_MINUTE.pattern}{_SECONDS.pattern}$"
_ALL_TYPES: Final = frozenset((*ANY_SCALAR, "array", "object"))
_LISTS: Final = VALUE_LISTS | TEXT_LISTS | {"matches_any", "in_cidr"}

OPERATOR_HELP: Final = {
    "eq": "Is this value; `field: value` says the same.",
    "ne": "Is there, and is not this value.",
    "lt": "Is less than this number, or earlier than this time.",
    "lte": "Is at most this number, or not later than this time.",
    "gt": "Is more than this number, or later than this time.",
    "gte": "Is at least this number, or not earlier than this time.",
    "between": "Lies between two numbers or times, both included: `[low, high]`.",
    "in": "Is one of these values.",
    "not_in": "Is there, and is none of these values.",
    "contains": "Text that has this text in it.",
    "contains_any": "Text that has at least one of these texts in it.",
    "contains_all": "Text that has every one of these texts in it.",
    "starts_with": "Text that begins with this text.",
    "starts_with_any": "Text that begins with one of these texts.",
    "ends_with": "Text that ends with this text.",
    "ends_with_any": "Text that ends with one of these texts.",
    "matches": "Text in which this RE2 pattern is found; `^` and `$` tie it to the ends.",
    "matches_any": "Text in which one of these RE2 patterns is found.",
    "has": "A list with this element.",
    "has_any": "A list with at least one of these elements.",
    "has_all": "A list with every one of these elements.",
    "size": "How many elements the list has: `size: 3` or `size: {gte: 1}`.",
    "some": "At least one element of the list is such; paths start at the element.",
    "every": "Every element of the list is such; paths start at the element.",
    "exists": "Whether the field is there and not null.",
    "is_null": "Whether the field is there and null.",
    "within": "A time that is at most this long before the event's own time, or after it.",
    "older_than": "A time that is longer than this before the event's own time.",
    "in_cidr": "An IP address in this network, or in one of these: `10.0.0.0/8`.",
}
_MODIFIER_HELP: Final = {
    "ignore_case": "Upper and lower case are the same.",
    "if_missing": "What the test says where the field is missing or null; without this it never holds there.",
}


def condition_definitions(fields: Sequence[KnownField], lists: Iterable[str], conditions: Iterable[str]) -> dict[str, Schema]:
    """`condition`, `element_condition`, and the forms of tests that they and the fields need."""
    types = {_ALL_TYPES, frozenset(("number",)), *(field.types or _ALL_TYPES for field in fields)}
    use = name_of("A condition that is named under `conditions`.", conditions)
    own = {field.path: _field(field) for field in fields}
    return {
        "condition": _condition("condition", {**own, "use": use}),
        "element_condition": _condition("element_condition", {"use": use}),
        "element": _element(),
        "size": _size(),
        "list_name": {"type": "string", "minLength": 1, "examples": list(lists)},
        **{_test_name(one): _test(one) for one in sorted(types, key=sorted)},
    }


def _condition(name: str, more: Mapping[str, object]) -> Schema:
    several = list_of(ref(name))
    joined = {
        "all": described("Every one of these conditions holds.", several),
        "any": described("At least one of these conditions holds.", several),
        "none": described("None of these conditions holds.", several),
        "not": described("This one condition does not hold.", {**ref(name), "maxProperties": 1}),
    }
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {**more, **joined},
        "propertyNames": PATH_NAME,
        "additionalProperties": ref(_test_name(_ALL_TYPES)),
    }


def _field(field: KnownField) -> Schema:
    schema = described(field.description, ref(_test_name(field.types or _ALL_TYPES)))
    if field.values is None:
        return schema
    # The values are asked for where the value stands alone; `{eq: …, ignore_case: true}` may be written in any case.
    # Editors offer `examples`; what stands under `then` they only check.
    values = list(field.values)
    return {**schema, "examples": values, "if": {"not": {"type": "object"}}, "then": {"enum": values}}


def _test_name(types: frozenset[str]) -> str:
    return "test" if types == _ALL_TYPES else "test_of_" + "_or_".join(sorted(types))


def _test(types: frozenset[str]) -> Schema:
    """A bare value, which means eq, or a map of the operators that fit at least one of the types."""
    operators = [name for name in OPERATOR_HELP if name in FLAGS or _FITTING[name] & types]
    modifiers = [name for name in _MODIFIERS if name != "ignore_case" or _CASED & set(operators)]
    properties = {name: described(OPERATOR_HELP[name], _operand(name, types)) for name in operators}
    return closed(
        {**properties, **{name: _modifier(name) for name in modifiers}},
        type=[*_scalars(types), "object"],
        minProperties=1,
    )


def _modifier(name: str) -> Schema:
    return flag(_MODIFIER_HELP[name]) if name == "ignore_case" else choice(_MODIFIER_HELP[name], words(Test, name))


def _scalars(types: Collection[str]) -> list[str]:
    return [name for name in ANY_SCALAR if name in types]


def _operand(operator: str, types: frozenset[str]) -> Schema:
    if operator in FLAGS:
        return {"type": "boolean"}
    if operator in AGES:
        return ref("duration")
    if operator in ELEMENTS:
        return ref("element")
    if operator == "size":
        return ref("size")
    item = _item(operator, types)
    if operator == "between":
        return list_of(item, minItems=2, maxItems=2)
    if operator in _LISTS:
        return _values(operator, item)
    return item if operator == "matches" else _or_map(item, {"field": path("The field to compare with.")})


def _item(operator: str, types: frozenset[str]) -> Schema:
    """What one value of the operator can be."""
    if operator in TEXT | TEXT_LISTS | {"matches", "matches_any", "in_cidr"}:
        return {"type": "string", "minLength": 1}
    if operator in ORDER | {"between"}:
        return {"type": [name for name in ("number", "string") if name in types], "pattern": _TIME_PATTERN}
    fitting = types if _FITTING[operator] & set(ANY_SCALAR) else frozenset(ANY_SCALAR)
    return {"type": _scalars(fitting)}


def _values(operator: str, item: Schema) -> Schema:
    """A list of values or the name of one; a single network may stand alone."""
    alone = ["string"] if operator == "in_cidr" else []
    named = {"list": described("The name of a list under `lists`.", ref("list_name"))}
    return {**_or_map({**list_of(item), "type": ["array", *alone]}, named), "minLength": 1}


def _or_map(item: Mapping[str, object], properties: Mapping[str, object]) -> Schema:
    """The item, or a map with exactly these keys; keywords of the one say nothing about the other."""
    written = item["type"]
    types = written if isinstance(written, list) else [written]
    return {**item, **closed(properties, list(properties)), "type": [*types, "object"]}


def _element() -> Schema:
    """A map of operators tests the element itself, any other map is a condition on its members."""
    return {
        "type": "object",
        "minProperties": 1,
        "if": {"propertyNames": {"enum": [*OPERATOR_HELP, *_MODIFIERS]}},
        "then": ref(_test_name(_ALL_TYPES)),
        "else": ref("element_condition"),
    }


def _size() -> Schema:
    number = frozenset(("number",))
    compared = {name: described(OPERATOR_HELP[name], _operand(name, number)) for name in OPERATOR_HELP if name in _NUMBERS}
    return closed(compared, type=["integer", "object"], minProperties=1)
