"""Bodies of requests: bytes and a content type become the items of a submission.

In: a whole body. Out: one item per event, objects that were part of a larger text or bytes not yet decoded. Rule of the file:
what is wrong with the body as a whole is a `RequestRefused`; what is wrong with one event is left to the decoder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from engine.event import JsonObject
from engine.ingress.json_errors import why_not_json
from engine.ingress.large_integers import has_long_digits, split_array
from engine.ingress.problems import RequestRefused
from engine.rules.diagnostics import shown

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_CHARACTER_SETS: Final = ("utf-8", "utf8", "us-ascii")

Items = Sequence[bytes | JsonObject]


def read_items(body: bytes, content_type: str | None, max_events: int) -> Items:
    """The items of a body, in their order.

    Without a content type the body is JSON. Raises RequestRefused: 400 for what is not JSON or neither object nor array, 413 for more
    events than `max_events`, 415 for another content type or character set.
    """
    items = _reader(content_type)(body)
    if len(items) > max_events:
        detail = f"the body holds {len(items)} events; at most {max_events} are taken: send them in several requests"
        raise RequestRefused(413, "too_many_events", detail)
    return items


def body_too_large(limit_bytes: int) -> RequestRefused:
    """The error for a body that goes on beyond the limit; nobody reads it to its end."""
    detail = f"the body has more than {limit_bytes} bytes; send the events in several requests"
    return RequestRefused(413, "body_too_large", detail)


def _reader(content_type: str | None) -> Callable[[bytes], Items]:
    if not content_type or not content_type.strip():
        return _read_json
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    reader = _READERS.get(media_type)
    if reader is None:
        detail = f"the content type `{shown(media_type)}` is not taken; send one of {_KNOWN}"
        raise RequestRefused(415, "unsupported_content_type", detail)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _CHARACTER_SETS:
            raise RequestRefused(
                415, "unsupported_charset", f"the character set `{shown(value.strip())}` is not taken; send UTF-8"
            )
    return reader


def _read_json(body: bytes) -> Items:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, "invalid_json", why_not_json(body, error)) from None
    if isinstance(value, dict):
        return (body,)
    if not isinstance(value, list):
        raise RequestRefused(
            400, "not_an_event", "the body is neither an object nor an array; send an event, or an array of events"
        )
    # Where digits may be lost in the objects, the decoder has to see the bytes.
    return split_array(body) if has_long_digits(body) else value


def _read_lines(body: bytes) -> Items:
    return [line for line in body.split(b"\n") if line and not line.isspace()]


_READERS: Final[Mapping[str, Callable[[bytes], Items]]] = {JSON: _read_json, NDJSON: _read_lines}
_KNOWN: Final = ", ".join(f"`{name}`" for name in _READERS)
