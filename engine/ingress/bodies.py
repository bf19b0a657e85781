"""Bodies of requests: bytes and a content type become the items of a submission.

In: a whole body. Out: one item per event: bytes not yet decoded, an object that was part of a larger text, or the outcome of what
is known to be no event. Rule of the file: what is wrong with the body as a whole is a `RequestRefused`; what is wrong with one event
is left to the decoder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from engine.event import JsonObject, Outcome
from engine.ingress.cloudevents import HEADER_PREFIX, from_envelope, from_headers, is_json_type
from engine.ingress.json_errors import why_not_json
from engine.ingress.large_integers import has_long_digits, split_array
from engine.ingress.problems import RequestRefused
from engine.rules.diagnostics import shown
from engine.rules.plan_events import EventPlan

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CLOUDEVENT: Final = "application/cloudevents+json"
CLOUDEVENT_BATCH: Final = "application/cloudevents-batch+json"

_CHARACTER_SETS: Final = ("utf-8", "utf8", "us-ascii")

Items = Sequence[bytes | JsonObject | Outcome]
Headers = Sequence[tuple[bytes, bytes]]


def read_items(body: bytes, headers: Headers, plan: EventPlan, max_events: int) -> Items:
    """The items of a body, in their order.

    `headers` are those of its request, their names in lower case; `plan` says where a CloudEvent's type and time go. Without a content type the body is JSON. Raises RequestRefused: 400 for what is not JSON or neither object nor array, 413 for
    more events than `max_events`, 415 for another content type or character set.
    """
    content_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), None)
    media_type = _media_type(content_type)
    if not media_type.startswith("application/cloudevents") and any(name.startswith(HEADER_PREFIX) for name, _ in headers):
        return (_read_data(body, headers, content_type, plan),)
    reader = _READERS.get(media_type)
    if reader is None:
        raise RequestRefused(415, "unsupported_content_type", f"the content type `{shown(media_type)}` is not taken; {_TAKEN}")
    items = reader(body, plan)
    if len(items) > max_events:
        detail = f"the body holds {len(items)} events; at most {max_events} are taken: send them in several requests"
        raise RequestRefused(413, "too_many_events", detail)
    return items


def _media_type(content_type: str | None) -> str:
    """The media type, in lower case. Raises RequestRefused for a character set that is not taken."""
    if not content_type or not content_type.strip():
        return JSON
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _CHARACTER_SETS:
            detail = f"the character set `{shown(value.strip())}` is not taken; send UTF-8"
            raise RequestRefused(415, "unsupported_charset", detail)
    return media_type


def _read_json(body: bytes, _: EventPlan) -> Items:
    value = _decoded(body)
    if isinstance(value, dict):
        return (body,)
    if not isinstance(value, list):
        raise _not_events("the body is neither an object nor an array; send an event, or an array of events")
    # Where digits may be lost in the objects, the decoder has to see the bytes.
    return split_array(body) if has_long_digits(body) else value


def _read_lines(body: bytes, _: EventPlan) -> Items:
    return [line for line in body.split(b"\n") if line and not line.isspace()]


def _read_cloudevent(body: bytes, plan: EventPlan) -> Items:
    value = _decoded(body)
    if not isinstance(value, dict):
        raise _not_events(f"the body is no object; send one CloudEvent, or an array of them as `{CLOUDEVENT_BATCH}`")
    return (from_envelope(body, value, plan),)


def _read_cloudevents(body: bytes, plan: EventPlan) -> Items:
    values = _decoded(body)
    if not isinstance(values, list):
        raise _not_events(f"the body is no array; send an array of CloudEvents, or a single one as `{CLOUDEVENT}`")
    texts: Sequence[bytes | None] = split_array(body) if has_long_digits(body) else [None] * len(values)
    return [from_envelope(text, value, plan) for text, value in zip(texts, values, strict=True)]


def _read_data(body: bytes, headers: Headers, content_type: str | None, plan: EventPlan) -> JsonObject | Outcome:
    if not is_json_type(content_type):
        detail = f"data of the type `{shown(content_type)}` is not taken in a CloudEvent; send JSON as `{JSON}`"
        raise RequestRefused(415, "unsupported_content_type", detail)
    return from_headers(headers, content_type, body, _decoded(body) if body else None, plan)


def _decoded(body: bytes) -> object:
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, "invalid_json", why_not_json(body, error)) from None
    return value


def _not_events(detail: str) -> RequestRefused:
    return RequestRefused(400, "not_an_event", detail)


_READERS: Final[Mapping[str, Callable[[bytes, EventPlan], Items]]] = {
    JSON: _read_json,
    NDJSON: _read_lines,
    CLOUDEVENT: _read_cloudevent,
    CLOUDEVENT_BATCH: _read_cloudevents,
}
_TAKEN: Final = "send one of " + ", ".join(f"`{name}`" for name in _READERS)
