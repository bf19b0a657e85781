"""`kill -9` of a worker, and of the supervisor, under load: the others go on, and nothing is lost or counted twice."""

import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.crews import SEVERAL, complete, pids, status, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import read_lines
from tests.acceptance.senders import Load, recount, stored

KILLS: Final = int(os.environ.get("RULEMILL_KILLS", "2"))

Counts = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraper(threading.Thread):
    """Reads the metrics again and again, and notes every count that went back."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.back: list[str] = []
        self.scrapes = 0
        self._url = f"{service.url}/metrics"
        self._stopping = threading.Event()

    def run(self) -> None:
        before: Counts = {}
        while not self._stopping.wait(0.05):
            try:
                response = httpx.get(self._url, timeout=TIMEOUT_S)
            except httpx.TransportError:  # it was on its way to the worker that was killed
                continue
            now = counts(response.text)
            self.back += [f"{key}: {before[key]} -> {now.get(key)}" for key in before if now.get(key, -1) < before[key]]
            before = now
            self.scrapes += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join(TIMEOUT_S)


def counts(text: str) -> Counts:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


def test_after_kills_of_workers_and_of_their_supervisor_under_load_nothing_is_lost_and_everything_is_counted_once(
    project: Path,
) -> None:
    with Service(project, **SEVERAL) as service:
        load, scraper = Load(service), Scraper(service)
        load.start()
        scraper.start()
        for kill in range(KILLS):
            load.wait_for(random.randrange(500, 2_000))
            os.kill(random.choice(list(pids(service).values())), signal.SIGKILL)
            wait_until(lambda kill=kill: complete(service, kill + 1), "another worker")  # type: ignore[misc]
        scraper.stop()
        shown = status(service)
        service.kill()  # the supervisor: its workers end by themselves, while those of the next one are at work
        service.start()
        load.wait_for(500)
        load.finish()
        assert service.terminate() == 0

    assert scraper.back == [], "a count went back"
    assert scraper.scrapes > KILLS
    assert (shown["status"], shown["workers"]["deaths"]) == ("ok", KILLS)
    ledger = shown["ledger"]
    ended = ("accepted", "duplicate", "blocked", "rejected", "retry", "in_flight")
    assert ledger["received"] == sum(ledger[name] for name in ended)

    sent = [event for sender in load.senders for event in sender.sent]
    unanswered = sum((sender.unanswered for sender in load.senders), Counter())
    records = Counter(line["id"] for line in read_lines(project / "out" / "events.enriched.ndjson"))
    assert set(records) == {event["id"] for event in sent}, "an event is lost, or came out that was never sent"
    copies = {identity: count - 1 for identity, count in records.items() if count > 1}
    assert all(count <= unanswered[identity] for identity, count in copies.items()), "twice, though no kill met it in flight"
    assert stored(project, sent[0]) == recount(sent)
