"""Event schemas: JSON Schema documents as fast checks that can explain themselves.

In: a schema document. Out: yes or no for an event, and for a no the place and the reason in our own words.
Rule of the file: the only home of `jsonschema_rs`. Nothing is fetched, patterns run in linear time, formats are checked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import jsonschema_rs
from jsonschema_rs import ValidationError, ValidationErrorKind

from engine.rules.diagnostics import shown

_MAX_FAULTS: Final = 100
_MAX_NAMES: Final = 5
_TYPE_WORDS: Final = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_LIMIT_WORDS: Final = {
    "const": ("exactly", ""),
    "pattern": ("a match of the pattern", ""),
    "multipleOf": ("a multiple of", ""),
    "minimum": ("at least", ""),
    "maximum": ("at most", ""),
    "exclusiveMinimum": ("more than", ""),
    "exclusiveMaximum": ("less than", ""),
    "minLength": ("at least", "character"),
    "maxLength": ("at most", "character"),
    "minItems": ("at least", "element"),
    "maxItems": ("at most", "element"),
    "minProperties": ("at least", "member"),
    "maxProperties": ("at most", "member"),
}
_OTHER_WORDS: Final = {
    "uniqueItems": "expected elements that differ from each other",
    "oneOf": "expected exactly one of the schema's alternatives to fit, but several do",
    "falseSchema": "the schema takes nothing here",
    "not": "the schema does not take this here",
}

# A missing member says more than a wrong one, and a wrong one more than one that is merely not declared (a misspelt
# name is both missing and undeclared) or than a schema that failed as a whole.
_SPEAKS_FIRST: Final = (ValidationErrorKind.Required,)
_SPEAKS_LAST: Final = (
    ValidationErrorKind.AdditionalProperties,
    ValidationErrorKind.UnevaluatedProperties,
    ValidationErrorKind.UnevaluatedItems,
    ValidationErrorKind.FalseSchema,
    ValidationErrorKind.Not,
)


class SchemaInvalid(ValueError):
    """The document is no JSON Schema that can be used. `steps`, or `pointer`, lead to the place in it, `message` says why."""

    def __init__(self, steps: Sequence[str | int], message: str) -> None:
        self.steps = steps
        self.pointer = json_pointer(steps)
        self.message = message
        super().__init__(f"{message} (at `{self.pointer}`)" if steps else message)


class EventSchema:
    """A compiled schema; `is_valid` is the validator's own method, so that an event costs no Python frame.

    The document says its draft in `$schema`, 2020-12 where it says none. References lead to places in the same document.
    Raises SchemaInvalid for a document that cannot be used: not a schema, a reference to elsewhere, a pattern that does
    not run in linear time (look-around and back-references do not).
    """

    __slots__ = ("_validator", "is_valid")

    is_valid: Callable[[object], bool]

    def __init__(self, document: Mapping[str, object]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(document), validate_formats=True, offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValidationError as error:
            raise SchemaInvalid(error.instance_path, _reason(error)) from None
        self.is_valid = self._validator.is_valid

    def explain(self, data: object) -> tuple[str, str]:
        """The JSON pointer and the description of the most telling fault of `data`, which `is_valid` refused.

        Raises ValueError where `data` is valid.
        """
        faults = list(islice(self._validator.iter_errors(data), _MAX_FAULTS))
        if not faults:
            raise ValueError("the data is valid: there is nothing to explain")
        fault = _nearest(min(faults, key=_rank))
        others = len(faults) - 1
        more = f" ({others} more fault{'s' if others > 1 else ''})" if others else ""
        return _place(fault), _reason(fault) + more


def json_pointer(steps: Iterable[str | int]) -> str:
    """The steps as an RFC 6901 pointer; empty for the whole document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _rank(fault: ValidationError) -> tuple[int, int]:
    if isinstance(fault.kind, _SPEAKS_FIRST):
        return 0, len(fault.instance_path)
    return (2 if isinstance(fault.kind, _SPEAKS_LAST) else 1), len(fault.instance_path)


def _nearest(fault: ValidationError) -> ValidationError:
    """Of alternatives that all failed, the fault inside the one that came furthest; otherwise the fault itself."""
    match fault.kind:
        case ValidationErrorKind.AnyOf(context) | ValidationErrorKind.OneOfNotValid(context):
            inner = [min(branch, key=_rank) for branch in context if branch]
            deepest = max(inner, key=lambda found: len(found.instance_path), default=fault)
            return _nearest(deepest) if len(deepest.instance_path) > len(fault.instance_path) else fault
    return fault


def _place(fault: ValidationError) -> str:
    steps: list[str | int] = list(fault.instance_path)
    match fault.kind:
        case ValidationErrorKind.Required(name):
            steps.append(name)
        case (
            ValidationErrorKind.AdditionalProperties(names)
            | ValidationErrorKind.UnevaluatedProperties(names)
            | ValidationErrorKind.UnevaluatedItems(names)
        ):
            steps += names[:1]
    return json_pointer(steps)


def _reason(fault: ValidationError) -> str:
    """What is wrong, with the value seen where it is not in the name of the member."""
    match fault.kind:
        case ValidationErrorKind.Required(name):
            return f"{_name(fault)} has no member `{shown(name)}`, which is required"
        case (
            ValidationErrorKind.AdditionalProperties(names)
            | ValidationErrorKind.UnevaluatedProperties(names)
            | ValidationErrorKind.UnevaluatedItems(names)
        ):
            return f"{_name(fault)} has {_listed(names)}, which the schema does not take"
        case ValidationErrorKind.Referencing():
            return (
                f"{shown(fault.message)}: a reference must lead to a place in the same document, and `$schema` to a known draft"
            )
        case ValidationErrorKind.PropertyNames(error):
            return f"{_name(fault)} has a member of a name that the schema does not take: {_expectation(error)}"
    return f"{_name(fault)} is {_value(fault.instance)}; {_expectation(fault)}"


def _expectation(fault: ValidationError) -> str:
    """What would have been taken instead."""
    kind = fault.kind
    match kind:
        case ValidationErrorKind.Type(types):
            return "expected " + " or ".join(_TYPE_WORDS.get(name, name) for name in types)
        case ValidationErrorKind.Enum(options):
            return f"expected one of {_listed(options)}"
        case ValidationErrorKind.AnyOf(context) | ValidationErrorKind.OneOfNotValid(context):
            return _alternatives(context)
        case ValidationErrorKind.Format(name):
            return _format_words(name)
    if kind.name in _LIMIT_WORDS:
        words, unit = _LIMIT_WORDS[kind.name]
        limit = _count(kind.value, unit) if unit else f"`{shown(kind.value)}`"
        return f"expected {words} {limit}"
    return _OTHER_WORDS.get(kind.name, f"the schema's `{kind.name}` does not hold")


def _alternatives(context: Sequence[Sequence[ValidationError]]) -> str:
    ways = [_expectation(branch[0]).removeprefix("expected ") for branch in context if branch]
    return "expected " + " or ".join(list(dict.fromkeys(ways))[:_MAX_NAMES])


def _format_words(name: str) -> str:
    if name == "date-time":
        return "expected a time such as `2026-03-01T09:30:00Z`"
    if name == "regex":
        return "expected a pattern that runs in linear time (no look-around, no back-references)"
    return f"expected the format `{shown(name)}`"


def _name(fault: ValidationError) -> str:
    steps = fault.instance_path
    return f"`{shown(json_pointer(steps)[1:].replace('/', '.'))}`" if steps else "the value"


def _value(value: object) -> str:
    if isinstance(value, str):
        return f"the string `{shown(value)}`" if value else "an empty string"
    if isinstance(value, dict | list):
        kind, unit = ("an object", "member") if isinstance(value, dict) else ("an array", "element")
        return f"{kind} of {_count(len(value), unit)}"
    return f"`{shown(value)}`"


def _listed(values: Sequence[object]) -> str:
    names = ", ".join(f"`{shown(value)}`" for value in values[:_MAX_NAMES])
    others = len(values) - _MAX_NAMES
    return f"{names} and {others} more" if others > 0 else names


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
