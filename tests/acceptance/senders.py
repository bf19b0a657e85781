"""Clients that send until they are answered for good, and a count of their own over what they sent."""

import json
import threading
import time
from collections import Counter, defaultdict, deque
from pathlib import Path
from typing import Final

import httpx

from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import START_MS, WINDOW_MS, Event, answer, epoch_ms, ndjson, read_lines

CLIENTS: Final = 4
BATCH: Final = 40
BACKOFF_S: Final = 0.5
LEASE_S: Final = 15
SETTLED: Final = {"accepted", "duplicate", "blocked"}


class Sender(threading.Thread):
    """A client that sends every event until it is answered for good.

    `sent` has every event it ever sent, `unanswered` how often each was in a request that ended without an answer.
    """

    def __init__(self, name: str, service: Service, stopping: threading.Event, progress: threading.Condition) -> None:
        super().__init__(name=name, daemon=True)
        self.sent: list[Event] = []
        self.unanswered: Counter[str] = Counter()
        self.settled = 0
        self._service = service
        self._progress = progress
        self._stopping = stopping
        self._again: deque[tuple[float, Event]] = deque()

    def run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S) as client:
            while self._again or not self._stopping.is_set():
                if batch := self._next_batch():
                    self._send(client, batch)
                else:
                    time.sleep(BACKOFF_S)

    def _next_batch(self) -> list[Event]:
        """What is due to be sent again, filled up with new events while the load lasts."""
        now_s = time.monotonic()
        batch: list[Event] = []
        while self._again and self._again[0][0] <= now_s and len(batch) < BATCH:
            batch.append(self._again.popleft()[1])
        if not self._stopping.is_set():
            fresh = [self._make(len(self.sent) + n) for n in range(BATCH - len(batch))]
            self.sent += fresh
            batch += fresh
        return batch

    def _make(self, number: int) -> Event:
        at_ms = START_MS + number % 12 * WINDOW_MS
        return answer(f"{self.name}-{number}", user=f"u{number % 20}", at=at_ms, points=number % 7, took_ms=number % 2000)

    def _send(self, client: httpx.Client, batch: list[Event]) -> None:
        try:
            response = client.post(f"{self._service.url}/events?results=all", json=batch)
        except httpx.ConnectError:
            self._keep(batch)
            time.sleep(BACKOFF_S)
        except httpx.TransportError:
            self.unanswered.update(event["id"] for event in batch)
            self._keep(batch)
        else:
            ended = {result["index"]: result["status"] for result in response.json().get("results", ())}
            open_ones = [event for index, event in enumerate(batch) if ended.get(index) not in SETTLED]
            self._keep(open_ones)
            with self._progress:
                self.settled += len(batch) - len(open_ones)
                self._progress.notify_all()

    def _keep(self, batch: list[Event]) -> None:
        due_s = time.monotonic() + BACKOFF_S
        self._again.extend((due_s, event) for event in batch)


class Load:
    """The senders of a run, started and stopped together."""

    def __init__(self, service: Service) -> None:
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self.senders = [Sender(f"s{number}", service, self._stopping, self._progress) for number in range(CLIENTS)]

    def start(self) -> None:
        for sender in self.senders:
            sender.start()

    def wait_for(self, events: int) -> None:
        """Return when this many more events have been answered for good."""
        goal = self._settled() + events
        with self._progress:
            assert self._progress.wait_for(lambda: self._settled() >= goal, TIMEOUT_S), "the service answers nothing more"

    def stop(self) -> None:
        """No new events from now on."""
        self._stopping.set()

    def finish(self) -> None:
        """Return when every sender has a final answer for each of its events."""
        self.stop()
        for sender in self.senders:
            sender.join(LEASE_S + TIMEOUT_S)
            assert not sender.is_alive(), f"{sender.name} still waits for final answers"

    def _settled(self) -> int:
        return sum(sender.settled for sender in self.senders)


def recount(events: list[Event]) -> dict[tuple[str, int], dict[str, int]]:
    groups: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for event in events:
        groups[f"user:{event['user']}", event["at"] - event["at"] % WINDOW_MS].append(event)
    return {
        group: {
            "answers": len(members),
            "points": sum(event["points"] for event in members),
            "slowest_ms": max(event["took_ms"] for event in members),
        }
        for group, members in groups.items()
    }


def stored(project: Path, copy: Event) -> dict[tuple[str, int], dict[str, int]]:
    """Every group and window in the service's state, read by a run of `process` over a copy, which changes nothing."""
    outputs = ("--aggregates", "aggregates.ndjson", "--summary", "summary.json")
    ended = rulemill("process", "-", "--state", "state/rulemill.db", *outputs, cwd=project, stdin=ndjson([copy]))
    assert ended.returncode == 0, ended.stderr.decode()
    assert json.loads((project / "summary.json").read_bytes())["duplicate"] == 1
    lines = read_lines(project / "aggregates.ndjson")
    return {(line["key"], epoch_ms(line["start"])): line["values"] for line in lines}
