"""Somebody who sends events to a service over HTTP, in requests of a hundred lines, until all of a request are answered for good.

usage: sender.py URL EVENTS.ndjson

In: a file, whose lines go out as they are, those that are no JSON too. Out: how the events ended, as JSON, on standard output. Rule of the file: it is a
process of its own, so that what sending takes does not count as the service's.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import aiohttp
import orjson

_LINES: Final = 100
_CONNECTIONS: Final = 4
_BACKOFF_S: Final = 0.1
_AGAIN: Final = (429, 503)
_NDJSON: Final = {"Content-Type": "application/x-ndjson"}
_OUTCOMES: Final = frozenset({"accepted", "duplicate", "blocked", "rejected", "retry"})


async def send(url: str, events: Path) -> Counter[str]:
    """How many events ended how. Raises SystemExit where a request is refused for good."""
    ended: Counter[str] = Counter()
    with events.open("rb") as lines:
        requests = iter(lambda: b"".join(islice(lines, _LINES)), b"")
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
            for _ in range(_CONNECTIONS):
                tasks.create_task(_send_on(http, f"{url}/events", requests, ended))
    return ended


async def _send_on(http: aiohttp.ClientSession, url: str, requests: Iterator[bytes], ended: Counter[str]) -> None:
    for body in requests:
        is_open = True
        while is_open:
            is_open = await _send(http, url, body, ended)


async def _send(http: aiohttp.ClientSession, url: str, body: bytes, ended: Counter[str]) -> bool:
    """Whether the request has to be sent again, after a moment that this has waited; what it repeats is told as copies then."""
    async with http.post(url, data=body, headers=_NDJSON) as response:
        answer = orjson.loads(await response.read())
    if not answer.keys() >= _OUTCOMES and response.status not in _AGAIN:
        raise SystemExit(f"sender.py: the service answers {response.status}: {answer}")
    ended.update({name: answer.get(name, 0) for name in _OUTCOMES})
    is_open = bool(answer.get("retry", 1))
    if is_open:
        await asyncio.sleep(_BACKOFF_S)
    return is_open


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(send(sys.argv[1], Path(sys.argv[2])))).decode())
