"""Load on a service, and the books of it: what was sent, what was answered, and what came out.

In: where a service listens. Out: figures. Rule of the file: every event has a number, is sent until it is answered for good, and is looked for
in the output afterwards.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import aiohttp
import orjson

from engine.demo.traffic import events
from engine.event import JsonObject

_TEMPLATES = 5_000
_COPY_EVERY = 100
_BOT_EVERY = 40
_BOT = "curl/8.5.0"
_BACKOFF_S = 0.2
_OPEN, _ACCEPTED, _BLOCKED = 0, 1, 2
_SETTLED = {"accepted": _ACCEPTED, "blocked": _BLOCKED}


@dataclass(slots=True)
class Findings:
    """What is wrong with an output, in events. All of it should be nothing."""

    lost: int = 0
    twice: int = 0
    blocked_and_out: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Books:
    """What became of each event, by its number, and of the requests."""

    answers: bytearray = field(default_factory=bytearray)
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    accepted_twice: int = 0

    def issue(self, count: int) -> range:
        """Numbers for so many new events."""
        first = len(self.answers)
        self.answers.extend(bytes(count))
        return range(first, first + count)

    def note(self, number: int, status: str) -> None:
        """An event was answered."""
        self.outcomes[status] += 1
        if status == "accepted" and self.answers[number] == _ACCEPTED:
            self.accepted_twice += 1
        # A copy that is told `duplicate` where the first answer was lost is as good as accepted.
        elif status in _SETTLED or (status == "duplicate" and self.answers[number] == _OPEN):
            self.answers[number] = _SETTLED.get(status, _ACCEPTED)

    @property
    def accepted(self) -> int:
        """How many different events were accepted."""
        return self.answers.count(_ACCEPTED)

    @property
    def open(self) -> int:
        """How many events have no final answer."""
        return self.answers.count(_OPEN)

    def compare(self, records: Path) -> Findings:
        """Look every event up in the output."""
        seen, found = bytearray(len(self.answers)), Findings()
        with records.open("rb") as file:
            for line in file:
                number = int(orjson.loads(line)["client_attempt_id"])
                if number >= len(seen):
                    found.unknown += 1
                else:
                    found.twice += seen[number] == 1
                    seen[number] = 1
        for answer, out in zip(self.answers, seen, strict=True):
            found.lost += answer == _ACCEPTED and not out
            found.blocked_and_out += answer == _BLOCKED and bool(out)
        return found


class Load:
    """Clients of one service. `rate` is in events a second over all clients, 0 for as many as are answered."""

    def __init__(self, url: str, books: Books, *, clients: int, batch: int, rate: float) -> None:
        self.stopping = asyncio.Event()
        self._url = f"{url}/events?results=all"
        self._books = books
        self._clients = clients
        self._batch = batch
        self._every_s = clients * batch / rate if rate else 0.0
        stream = (event for event in events(seed=1, start_ms=0) if event.get("event_type") == "attempt" and "user_id" in event)
        self._templates = list(islice(stream, _TEMPLATES))

    async def run(self) -> None:
        """Send until `stopping`, and then until everything is answered for good."""
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
            for client in range(self._clients):
                tasks.create_task(self._send_on(http, self._every_s * client / self._clients))

    async def _send_on(self, http: aiohttp.ClientSession, after_s: float) -> None:
        due_s = time.monotonic() + after_s
        while not self.stopping.is_set():
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            due_s = max(due_s + self._every_s, time.monotonic() - 1)
            numbers = list(self._books.issue(self._batch))
            if numbers[0] % _COPY_EVERY < self._batch and numbers[0]:
                numbers.append(numbers[0] // 2)
            while numbers:
                numbers = await self._send(http, numbers)

    async def _send(self, http: aiohttp.ClientSession, numbers: list[int]) -> list[int]:
        """Send these events; returns those that are to be sent again."""
        started_s = time.monotonic()
        async with http.post(self._url, data=b"\n".join(self._lines(numbers)), headers=_NDJSON) as response:
            answer = orjson.loads(await response.read())
        self._books.latencies_s.append(time.monotonic() - started_s)
        if "results" not in answer:
            self._books.outcomes[str(response.status)] += 1
            await asyncio.sleep(_BACKOFF_S)
            return numbers
        again = []
        for result in answer["results"]:
            number = numbers[result["index"]]
            if result["status"] == "retry":
                again.append(number)
            self._books.note(number, result["status"])
        return again

    def _lines(self, numbers: list[int]) -> Iterator[bytes]:
        now_ms = time.time_ns() // 1_000_000
        for number in numbers:
            template: JsonObject = self._templates[number % _TEMPLATES]
            agent = _BOT if number % _BOT_EVERY == 0 else template["user_agent"]
            yield orjson.dumps({**template, "client_attempt_id": str(number), "timestamp": now_ms, "user_agent": agent})


_NDJSON = {"Content-Type": "application/x-ndjson"}
