"""What stands on the lines of a recording: events as they came in, records of this engine, dead letters.

In: lines. Out: for each the event that it holds. Rule of the file: a line is decoded once, whatever it is; what is no event goes on as it is, for
the decoder to say why not.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import orjson

from engine.egress.letters import raw_of
from engine.event import JsonObject
from engine.ingress.large_integers import any_has_long_digits, has_long_digits
from engine.replays.recording import Place

Kind = Literal["event", "record", "dead_letter"]

_LETTER_TEXTS: Final = ("time", "stage", "code", "reason", "ruleset")


class Item(NamedTuple):
    """One event. `data` is None where its bytes are no object; `raw` are these where the decoder has to look at them itself.

    `enrichment` is what the record had, None for anything else.
    """

    place: Place
    data: JsonObject | None
    raw: bytes | None = None
    kind: Kind = "event"
    enrichment: JsonObject | None = None

    def copy(self) -> JsonObject | bytes:
        """The event for a processor, which puts members of its own on it, and changes none that are there."""
        return self.raw if self.raw is not None else dict(self.data or {})


def read_items(lines: Sequence[tuple[Place, bytes]]) -> list[Item]:
    """The events on these lines, in their order."""
    doubt = any_has_long_digits([line for _, line in lines])
    return [_read(place, line, doubt=doubt) for place, line in lines]


def _read(place: Place, line: bytes, *, doubt: bool) -> Item:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Item(place, None, line)
    if type(data) is not dict:
        return Item(place, None, line)
    if "processing" in data and _is_record(data):
        enrichment = data.pop("enrichment")
        del data["processing"]
        return Item(place, data, None, "record", enrichment)
    if "stage" in data and _is_letter(data) and (raw := raw_of(data)) is not None:
        return _read(place, raw, doubt=True)._replace(kind="dead_letter")
    return Item(place, data, line if doubt and has_long_digits(line) else None)


def _is_record(data: JsonObject) -> bool:
    processing = data["processing"]
    return (
        isinstance(processing, dict) and isinstance(processing.get("ruleset"), str) and isinstance(data.get("enrichment"), dict)
    )


def _is_letter(data: JsonObject) -> bool:
    return all(isinstance(data.get(name), str) for name in _LETTER_TEXTS)
