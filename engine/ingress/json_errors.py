"""What is wrong with text that is not JSON, in words for the person who sent it.

In: the bytes and the decoder's error. Out: one line with the place, what stands there and what to send instead.
"""

from typing import Final

import orjson

_SHOWN_BEFORE: Final = 10
_SHOWN_AFTER: Final = 20

# The first entry of which some part occurs in the decoder's message, or at the place of the fault, gives the advice.
_ADVICE_BY_MESSAGE: Final = (
    ("byte order mark", "send it without the byte order mark"),
    ("empty", "send a JSON object"),
    ("unexpected end", "the text is cut short"),
    ("trailing comma", "remove the comma"),
    ("control character", "write control characters as escapes, such as `\\n`"),
    ("surrogate", "a surrogate stands for a character only as one of a pair"),
    ("infinity", "the largest number is about 1.8e308"),
    ("leading zero", "remove the zero, or send a string"),
    ("after document", "send one value only; several events go into an array, or one a line as `application/x-ndjson`"),
)
_ADVICE_BY_TEXT: Final = (
    (("NaN", "Infinity", "-Infinity"), "JSON has no such number; send `null` or leave the member out"),
    (("True", "False", "None"), "JSON writes `true`, `false` and `null`"),
    (("'",), "names and strings stand in double quotes"),
    (("//", "/*", "#"), "JSON has no comments"),
)


def why_not_json(raw: bytes, error: orjson.JSONDecodeError) -> str:
    """The fault that `orjson` found in `raw`: line and column count characters from 1, bytes count from 0."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as found:
        return f"not UTF-8: byte 0x{raw[found.start]:02x} at byte {found.start}; send UTF-8"
    if not text.strip():
        return "not JSON: nothing was sent; send a JSON object"
    advice = _advice(error.msg, text, error.pos)
    return f"not JSON: {_plain(error.msg)} at line {error.lineno}, column {error.colno}{_near(text, error.pos)}{advice}"


def _advice(message: str, text: str, at: int) -> str:
    begin = at - 1 if text[at - 1 : at] == "-" else at
    for beginnings, advice in _ADVICE_BY_TEXT:
        if text.startswith(beginnings, begin):
            return f"; {advice}"
    for part, advice in _ADVICE_BY_MESSAGE:
        if part in message:
            return f"; {advice}"
    return ""


def _near(text: str, at: int) -> str:
    if at >= len(text):
        return ""
    near = text[max(0, at - _SHOWN_BEFORE) : at + _SHOWN_AFTER]
    printable = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in near)
    return f", near `{printable}`"


def _plain(message: str) -> str:
    begins_with_a_name = message[1:2].isupper()
    return (message if begins_with_a_name else message[:1].lower() + message[1:]).rstrip(".")
