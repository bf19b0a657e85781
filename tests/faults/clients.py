"""Clients that send every event until it is answered for good, to whichever instance, and remember what they were told.

In: instances that may come and go. Out: what was sent, and what became of it. Rule of the file: an event is settled by `accepted` or
`duplicate` alone; whatever else happens, it is sent again.
"""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

import httpx

from tests.acceptance.processes import Service
from tests.acceptance.samples import START_MS, WINDOW_MS, Event, answer

CLIENTS: Final = 4
"""Where no other number is wanted."""

BATCH: Final = 20
COPIES: Final = 2
"""So many events of a request were settled before: each must be told `duplicate`."""

_OPEN: Final = 2_000
"""So many events of a client may wait for their final answers before it sends nothing new: an outage does not end the load."""

_PAUSE_S: Final = 0.05
_BACKOFF_S: Final = 0.3
_USERS: Final = 20
_WINDOWS: Final = 12
_SETTLED: Final = {"accepted", "duplicate"}


class Client(threading.Thread):
    """One sender. `doubtful` are the ids that were in a request without an answer, or were told `retry`: only those may be out twice."""

    def __init__(self, name: str, instances: Sequence[Service], seed: int, patience_s: float, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.sent: list[Event] = []
        self.settled: set[str] = set()
        self.doubtful: set[str] = set()
        self.codes: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._instances = instances
        self._random = random.Random(seed)
        self._patience_s = patience_s
        self._stopping = stopping
        self._again: deque[Event] = deque()

    def run(self) -> None:
        with httpx.Client(timeout=self._patience_s) as http:
            while self._again or not self._stopping.is_set():
                time.sleep(_PAUSE_S if self._send(http, self._batch()) else _BACKOFF_S)

    def _batch(self) -> list[Event]:
        """What is to be sent again, then new events while the load lasts, then copies of settled ones.

        While the load lasts, at least half of it is new, unless too much is open.
        """
        most = BATCH if self._stopping.is_set() or len(self._again) >= _OPEN else BATCH // 2
        batch = [self._again.popleft() for _ in range(min(most, len(self._again)))]
        if not self._stopping.is_set():
            fresh = [self._make(len(self.sent) + n) for n in range(BATCH - len(batch))]
            self.sent += fresh
            batch += fresh
            known = self._random.sample(self.sent, min(COPIES, len(self.sent)))
            batch += [event for event in known if event["id"] in self.settled]
        return batch

    def _make(self, number: int) -> Event:
        at_ms = START_MS + number % _WINDOWS * WINDOW_MS
        return answer(f"{self.name}-{number}", user=f"u{number % _USERS}", at=at_ms, points=number % 7, took_ms=number % 2000)

    def _send(self, http: httpx.Client, batch: list[Event]) -> bool:
        """Send it to one of the instances; False where it is better to wait before the next one."""
        try:
            response = http.post(f"{self._random.choice(self._instances).url}/events?results=all", json=batch)
        except httpx.TransportError as error:
            if not isinstance(error, httpx.ConnectError):
                self.doubtful.update(event["id"] for event in batch)
            self._keep(batch)
            return False
        self.codes[response.status_code] += 1
        told = {result["index"]: result for result in response.json().get("results", ())}
        open_ones = [event for index, event in enumerate(batch) if not self._note(event, told.get(index))]
        self._keep(open_ones)
        return not open_ones

    def _note(self, event: Event, told: Event | None) -> bool:
        """Remember what one event was told; whether it is settled now."""
        identity = event["id"]
        if told is None:  # the request was refused as a whole: never received
            return False
        status = str(told["status"])
        self.outcomes[status] += 1
        if status == "accepted" and identity in self.settled:
            self.wrong.append(f"{identity}: accepted again after it was settled")
        if status in _SETTLED:
            self.settled.add(identity)
            return True
        self.doubtful.add(identity)
        if status != "retry":
            self.wrong.append(f"{identity}: told {told}")
        return status != "retry"

    def _keep(self, events: list[Event]) -> None:
        self._again.extend(event for event in events if event["id"] not in self.settled)


class Load:
    """The clients of a run, started and stopped together. The ids of their events begin with `name`."""

    def __init__(self, instances: Sequence[Service], seed: int, patience_s: float, name: str, number: int = CLIENTS) -> None:
        self.name = name
        self._stopping = threading.Event()
        self.clients = [
            Client(f"{name}-{place}", instances, seed * number + place, patience_s, self._stopping) for place in range(number)
        ]

    @property
    def sent(self) -> int:
        """How many events there are so far, each counted once."""
        return sum(len(client.sent) for client in self.clients)

    def start(self) -> None:
        for client in self.clients:
            client.start()

    def finish(self, timeout_s: float) -> list[str]:
        """Send nothing new, and return when everything has its final answer; names those that still wait after `timeout_s`."""
        self._stopping.set()
        deadline_s = time.monotonic() + timeout_s
        for client in self.clients:
            client.join(max(0.0, deadline_s - time.monotonic()))
        return [client.name for client in self.clients if client.is_alive()]
