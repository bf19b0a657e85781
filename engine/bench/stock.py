"""Requests with events that nobody has sent before.

In: a seed and numbers. Out: whole HTTP requests, encoded. Rule of the file: what the sender need not do while time is measured is done here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import Final, NamedTuple

import orjson

from engine.demo.traffic import events
from engine.event import JsonObject

_TEMPLATES: Final = 5_000
_OWN_KEYS: Final = {"attempt": "client_attempt_id", "session": "session_id", "placement": "placement_id"}
_ROUND_DIGITS: Final = 8


class _Template(NamedTuple):
    text: bytes
    key: bytes


class Stock:
    """An endless supply of the demo's events, with what is wrong with some of them, at the present time.

    About 2 % are copies of an earlier one. The keys of deduplication are other ones in each round through the templates, and in each `part`,
    a number below 10,000 that no two runs over the same state may share.
    """

    def __init__(self, seed: int, part: int) -> None:
        stream = events(seed=seed, start_ms=0)
        self._templates = [_template(next(stream)) for _ in range(_TEMPLATES)]
        self._part = part

    def requests(self, number: int, batch: int, host: str, now_ms: int) -> list[bytes]:
        """So many requests of `batch` events each: lines of JSON, or one JSON object where that is all. Event time is `now_ms`."""
        lines = self._lines(now_ms)
        kind = "application/json" if batch == 1 else "application/x-ndjson"
        start = f"POST /events HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: ".encode()
        bodies = (b"\n".join(islice(lines, batch)) for _ in range(number))
        return [b"%b%d\r\n\r\n%b" % (start, len(body), body) for body in bodies]

    def _lines(self, now_ms: int) -> Iterator[bytes]:
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now_ms % 1000:03d}Z"
        time = moment.encode()
        for number in count():
            mark = f"{self._part:04d}{number:04d}"[-_ROUND_DIGITS:].encode()
            for text, key in self._templates:
                yield text.replace(b"@time@", time).replace(b"@key@", key + mark)


def _template(event: JsonObject) -> _Template:
    """An event with places for its key and its time; what is wrong with it stays."""
    name = _OWN_KEYS.get(str(event.get("event_type")), "event_id")
    key = str(event.get(name, ""))[:-_ROUND_DIGITS]
    if str(event.get("timestamp", "")).endswith("Z"):
        event["timestamp"] = "@time@"
    return _Template(orjson.dumps({**event, name: "@key@"}), key.encode())
