"""`kill -9` under load, again and again: nothing is lost, next to nothing comes out twice, everything is counted once."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.acceptance.processes import Service
from tests.acceptance.samples import read_lines
from tests.acceptance.senders import Load, recount, stored

KILLS: Final = int(os.environ.get("RULEMILL_KILLS", "5"))


@pytest.fixture
def load(service: Service) -> Iterator[Load]:
    load = Load(service)
    load.start()
    yield load
    load.stop()


def test_after_kills_under_load_nothing_is_lost_and_everything_is_counted_once(
    service: Service, load: Load, project: Path
) -> None:
    for _ in range(KILLS):
        load.wait_for(random.randrange(2_000))
        time.sleep(random.uniform(0, 0.05))  # any moment, not only that of an answer
        service.kill()
        service.start()
    load.finish()
    ledger = httpx.get(f"{service.url}/processor/status").json()["ledger"]
    assert service.terminate() == 0

    sent = [event for sender in load.senders for event in sender.sent]
    unanswered = sum((sender.unanswered for sender in load.senders), Counter())
    records = Counter(line["id"] for line in read_lines(project / "out" / "events.enriched.ndjson"))
    assert set(records) == {event["id"] for event in sent}, "an event is lost, or came out that was never sent"
    assert unanswered, "no kill met a request in flight"
    copies = {identity: count - 1 for identity, count in records.items() if count > 1}
    assert all(count <= unanswered[identity] for identity, count in copies.items()), "twice, though no kill met it in flight"
    assert stored(project, sent[0]) == recount(sent)
    ended = ("accepted", "duplicate", "blocked", "rejected", "retry", "in_flight")
    assert ledger["received"] == sum(ledger[name] for name in ended)
