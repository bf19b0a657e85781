"""CloudEvents 1.0 over HTTP: an envelope and its data become an event.

In: the JSON of a CloudEvent, or its headers and its data. Out: an event for the decoder, or why it is none. Rule of the file: what is wrong
with one CloudEvent is an outcome, so that the others of its batch go on.

The event is the `data`. The type and the time of the CloudEvent stand in for those that the data lacks, in the places that the rules name.
All attributes but those of the envelope itself are kept in the member `cloudevent`, where rules can read them.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

import orjson

from engine.event import REJECTED, JsonObject, Outcome
from engine.ingress import faults
from engine.ingress.decode import MAX_DEPTH
from engine.ingress.large_integers import find_large_integer
from engine.rules.diagnostics import shown
from engine.rules.model import Path
from engine.rules.plan_events import EventPlan
from engine.rules.schemas import EventSchema, json_pointer

MEMBER: Final = "cloudevent"
"""The member of an event that holds the attributes of the CloudEvent it came in."""

HEADER_PREFIX: Final = b"ce-"
"""What the names of headers begin with that are attributes (binary mode)."""

# Of the envelope, or of one delivery of it: copies of an event may differ in them.
_NOT_KEPT: Final = frozenset({"specversion", "datacontenttype", "data", "data_base64", "traceparent", "tracestate"})
_JSON_TYPE: Final = re.compile(r"\s*(application|text)/([a-z0-9.!#$&^_-]+\+)?json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ENVELOPE: Final = EventSchema(
    {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "propertyNames": {"pattern": "^([a-z0-9]+|data_base64)$"},
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
            "type": {"type": "string", "minLength": 1},
            "subject": {"type": "string", "minLength": 1},
            "time": {"type": "string", "format": "date-time"},
            "dataschema": {"type": "string", "minLength": 1, "format": "uri"},
            "datacontenttype": {"type": "string", "minLength": 1},
            "data": True,
            "data_base64": {"type": "string"},
        },
        "additionalProperties": {"type": ["string", "boolean", "integer"]},
    }
)


class _NotTaken(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def from_envelope(raw: bytes | None, value: object, plan: EventPlan) -> JsonObject | Outcome:
    """The event of a CloudEvent in JSON. `raw` is its text where that may hold digits that `value` has lost."""
    if not isinstance(value, dict):
        return faults.not_an_object(value)
    try:
        _check_digits(raw)
        # An attribute that is null counts as not set.
        envelope = {name: member for name, member in value.items() if member is not None}
        _check_envelope(envelope)
        return _event(envelope, _data(envelope), plan)
    except _NotTaken as fault:
        return fault.outcome


def from_headers(
    headers: Iterable[tuple[bytes, bytes]], content_type: str | None, body: bytes, data: object, plan: EventPlan
) -> JsonObject | Outcome:
    """The event of a CloudEvent in binary mode. `data` is the decoded `body`, None where there is none."""
    try:
        envelope: JsonObject = {} if content_type is None else {"datacontenttype": content_type}
        envelope |= {
            name[len(HEADER_PREFIX) :].decode("latin-1"): _header_value(name, value)
            for name, value in headers
            if name.startswith(HEADER_PREFIX)
        }
        _check_envelope(envelope)
        _check_digits(body)
        return _event(envelope, {} if data is None else data, plan)
    except _NotTaken as fault:
        return fault.outcome


def is_json_type(content_type: str | None) -> bool:
    """Whether data of this content type is JSON; without one it is."""
    return content_type is None or _JSON_TYPE.fullmatch(content_type) is not None


def _check_envelope(envelope: JsonObject) -> None:
    if not _ENVELOPE.is_valid(envelope):
        pointer, reason = _ENVELOPE.explain(envelope)
        raise _refused(pointer, f"not a CloudEvent 1.0: {reason}")


def _event(envelope: JsonObject, data: object, plan: EventPlan) -> JsonObject:
    if not isinstance(data, dict):
        raise _refused("/data", f"`data` is {faults.described(data)}; the event is the object that it holds", "not_an_object")
    if MEMBER in data:
        raise _refused(
            json_pointer(("data", MEMBER)),
            f"`{MEMBER}` is added for the attributes; rename or remove the member",
            "reserved_member",
        )
    attributes = {name: value for name, value in envelope.items() if name not in _NOT_KEPT}
    event = {**data, MEMBER: attributes}
    _fill(event, plan.type_path, attributes.get("type"))
    _fill(event, plan.time_path, attributes.get("time"))
    return event


def _data(envelope: Mapping[str, object]) -> object:
    """What the envelope holds; an object without members where it holds nothing."""
    content_type, packed = envelope.get("datacontenttype"), envelope.get("data_base64")
    if isinstance(content_type, str) and not is_json_type(content_type):
        raise _refused(
            "/datacontenttype", f"data of the type `{shown(content_type)}` is not taken; send JSON", "unsupported_data"
        )
    if not isinstance(packed, str):
        return envelope.get("data", {})
    if "data" in envelope:
        raise _refused("/data_base64", "not a CloudEvent 1.0: it has both `data` and `data_base64`; send one")
    try:
        raw = b64decode(packed, validate=True)
        data: object = orjson.loads(raw)
    except (binascii.Error, ValueError):
        raise _refused("/data_base64", "`data_base64` does not hold JSON in Base64; send the event as `data`") from None
    _check_digits(raw)
    return data


def _check_digits(raw: bytes | None) -> None:
    try:
        found = None if raw is None else find_large_integer(raw)
    except RecursionError:
        raise _NotTaken(faults.too_deep(MAX_DEPTH)) from None
    if found:
        raise _NotTaken(faults.number_range(*found))


def _header_value(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    if _QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _refused("", f"the header `{name.decode('latin-1')}` is not UTF-8, percent-encoded; encode it anew") from None


def _fill(event: JsonObject, path: Path, value: object) -> None:
    """Put a value where there is none; nothing happens where the path leads through something else than objects."""
    steps = [step for step in path.steps if isinstance(step, str)]
    if value is None or len(steps) < len(path.steps):
        return
    place = event
    for step in steps[:-1]:
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        place = inner
    if place.get(steps[-1]) is None:
        place[steps[-1]] = value


def _refused(pointer: str, message: str, code: str = "bad_cloudevent") -> _NotTaken:
    return _NotTaken(Outcome(REJECTED, code, message, pointer))
