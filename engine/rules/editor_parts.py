"""The pieces that the editor's schema is put together from.

In: nothing of a project. Out: small JSON Schemas (draft 2020-12). Rule of the file: plain keywords, at most one `if`; editors explain those,
and give useless messages for alternatives. A definition that is referred to carries no description, so that the place that refers to it
can say its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args, get_type_hints

from engine.rules.durations import DURATION
from engine.rules.paths import _INDEX, _NAME, _QUOTED
from engine.rules.reading import _MEMBER, MAX_LIST_ITEMS, MAX_NAME_CHARS
from engine.rules.reading import _NAME as _RULE_NAME

Schema = dict[str, object]

_STEP: Final = f"(?:{_NAME.pattern}|{_QUOTED.pattern})"
_PATH: Final = rf"^(?:\$\.)?(?:{_STEP}|{_INDEX.pattern})(?:\.{_STEP}|{_INDEX.pattern})*$"

ANY_SCALAR: Final = ("string", "number", "boolean")
PATH_NAME: Final[Schema] = {"pattern": _PATH}
DURATION_PATTERN: Final = f"^(?:{DURATION.pattern})$"
DURATION_OR_NONE_PATTERN: Final = f"^(?:none|{DURATION.pattern})$"


def described(description: str, schema: Mapping[str, object]) -> Schema:
    """The schema with a text to show while the mouse rests on it."""
    return {"description": description, **schema}


def ref(name: str) -> Schema:
    """What is defined once under `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def text(description: str, **keywords: object) -> Schema:
    """Text that is not empty."""
    return {"description": description, "type": "string", "minLength": 1, **keywords}


def name_of(description: str, known: Iterable[str]) -> Schema:
    """A name; those that exist are offered, another is no fault here since it may be declared tomorrow."""
    return text(description, examples=list(known))


def duration(description: str) -> Schema:
    """A whole number with its unit."""
    return described(f"{description}\n\nA duration: `500ms`, `30s`, `5m`, `1h`, `7d`.", ref("duration"))


def path(description: str) -> Schema:
    """The name of a field."""
    return described(description, ref("path"))


def whole(description: str, minimum: int | None = None) -> Schema:
    """A whole number."""
    return {"description": description, "type": "integer", **({} if minimum is None else {"minimum": minimum})}


def share(description: str) -> Schema:
    """A number from 0 to 1."""
    return {"description": description, "type": "number", "minimum": 0, "maximum": 1}


def flag(description: str) -> Schema:
    """True or false."""
    return {"description": description, "type": "boolean"}


def choice(description: str, words: Sequence[str]) -> Schema:
    """One of a few words."""
    return {"description": description, "enum": list(words)}


def words(kind: type, member: str) -> list[str]:
    """The words that a member of the model can be, from its type."""
    hint = get_type_hints(kind)[member]
    parts = [word for part in get_args(hint) for word in (get_args(part) or (part,))]
    return [part for part in parts if isinstance(part, str)]


def closed(properties: Mapping[str, object], required: Sequence[str] = (), /, **keywords: object) -> Schema:
    """A map that takes these keys and no others."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(properties), **needed, "additionalProperties": False, **keywords}


def one_of_its_kind(kinds: Mapping[str, object], options: Mapping[str, object], **keywords: object) -> Schema:
    """A map with exactly one of `kinds`, and whatever of `options` goes with that."""
    only_kinds = {"propertyNames": {"enum": list(kinds)}}
    return closed({**kinds, **options}, minProperties=1, **{"if": only_kinds, "then": {"maxProperties": 1}}, **keywords)


def named(value: Mapping[str, object], *, member: bool = False) -> Schema:
    """A map from names to `value`. `member` asks for names that can stand in a path."""
    pattern = (_MEMBER if member else _RULE_NAME).pattern
    return {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{pattern}$", "maxLength": MAX_NAME_CHARS},
        "additionalProperties": dict(value),
    }


def list_of(items: Mapping[str, object], **keywords: object) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": dict(items), "minItems": 1, "maxItems": MAX_LIST_ITEMS, **keywords}


def one_or_many(one: Mapping[str, object]) -> Schema:
    """One thing, or a list of such."""
    return {"if": {"type": "array"}, "then": list_of(one), "else": dict(one)}


def map_or(map_form: Mapping[str, object], otherwise: Mapping[str, object]) -> Schema:
    """A map of one form, or something that is no map."""
    return {"if": {"type": "object"}, "then": dict(map_form), "else": dict(otherwise)}


def definitions() -> dict[str, Schema]:
    """What the functions here refer to."""
    return {
        "duration": {"type": "string", "pattern": DURATION_PATTERN},
        "field": closed({"field": path("The value is read from this field of the same event.")}, ["field"]),
    }


def path_definition(fields: Iterable[str]) -> Schema:
    """The name of a field; those of the project are offered."""
    return {"type": "string", **PATH_NAME, "examples": list(fields)}
