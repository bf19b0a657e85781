"""The text of aggregation keys and claim keys."""

from collections.abc import Sequence


def key_part(value: object) -> str | None:
    """A value as a part of a key; None for what cannot be one: missing, null, arrays and objects."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    return repr(value) if kind is int or kind is float else None


def escaped(text: str) -> str:
    """The text with `%` and `,` percent-encoded, so that parts can be joined with commas."""
    return text.replace("%", "%25").replace(",", "%2C") if "%" in text or "," in text else text


def canonical_key(names: Sequence[str], text: str) -> str | None:
    """The key that a person means by `text`, as it is stored; None where it does not have the shape of one.

    In a key of one part, a comma need not be encoded, and a value without a colon may stand without its name.
    """
    if not names:
        return None if text else ""
    if len(names) == 1 and text and ":" not in text:
        text = f"{names[0]}:{text}"
    values = [text] if len(names) == 1 else text.split(",")
    if len(values) != len(names) or not all(map(str.startswith, values, (f"{name}:" for name in names))):
        return None
    return key_text(names, tuple(_unescaped(value.partition(":")[2]) for value in values))


def key_shape(names: Sequence[str]) -> str:
    """How a key of these parts is written: `user:VALUE,item:VALUE`."""
    return ",".join(f"{name}:VALUE" for name in names)


def _unescaped(text: str) -> str:
    return text.replace("%2C", ",").replace("%25", "%")


def key_text(names: Sequence[str], key: object) -> str:
    """A group's key as it is stored, asked for and shown: `user:123`, `user:123,item:9`, nothing for no parts."""
    if type(key) is str and len(names) == 1:
        return f"{names[0]}:{escaped(key)}"
    parts = key if isinstance(key, tuple) else (key,)
    return ",".join(f"{name}:{escaped(str(part))}" for name, part in zip(names, parts, strict=False))
