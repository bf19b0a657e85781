"""Faults over the whole, briefly: two instances of two workers over a real Redis and a real Kafka. `tools/faults` does it for longer."""

import random
import resource
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.acceptance.crews import status, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import Event, answer, read_lines
from tests.faults.clients import Load
from tests.faults.instances import Site, site
from tests.faults.laws import published
from tests.faults.run import run
from tests.redis_servers import need_redis
from tests.servers.kafka import started
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer

LEASE_S: Final = 2
RECORDS: Final = Path("out", "events.enriched.ndjson")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Instances over servers that these tests pause and kill; all of it is whole again after each of them."""
    need_redis()
    directory = tmp_path_factory.mktemp("site")
    kafka = started(Kafka(directory / "kafka"))
    try:
        with RedisServer(directory / "redis") as redis, site(directory, redis, kafka, LEASE_S) as ready:
            yield ready
    finally:
        kafka.stop()


@pytest.mark.parametrize(
    "kinds",
    [["kill"] * 3, ["zombie"], ["redis-pause", "redis-restart"], ["kafka-stop"], ["rights"], ["term"]],
    ids="-".join,
)
def test_after_faults_under_load_all_that_was_answered_is_out_and_everything_is_counted_once(
    lasting: Site, kinds: list[str]
) -> None:
    report = run(lasting, random.randrange(1_000_000), kinds, len(kinds), len(kinds), name="-".join(kinds))

    assert report.breaches == [], "\n".join(report.lines())
    assert report.done == Counter(kinds)
    assert report.records >= report.sent > 0


def record(identity: str, **processing: bool) -> Event:
    return {"id": identity, "processing": processing}


def test_what_is_lost_or_made_up_or_out_twice_for_no_reason_is_seen() -> None:
    load = Load([], 0, LEASE_S, "e")
    client = load.clients[0]
    client.sent = [{"id": f"e-{letter}"} for letter in "abcd"]
    client.settled = {"e-a", "e-b", "e-c"}
    client.doubtful = {"e-b", "e-d"}
    well = [record("e-a"), record("e-b"), record("e-b", takeover=True), record("e-c"), record("other")]

    assert published(load, well) == []
    assert "not on the topic: ['e-c']" in published(load, well[:-2])[0]
    assert "never sent: ['e-x']" in published(load, [*well, record("e-x")])[0]
    assert "every request was answered: ['e-a']" in published(load, [*well, record("e-a", takeover=True)])[0]
    assert "none of them a takeover: ['e-b']" in published(load, [*well, record("e-b")])[0]


def test_a_full_disk_is_told_of_and_waited_out_and_every_record_is_there_once_and_whole(project: Path) -> None:
    with Service(project, STATE_STORE="memory") as service:
        assert httpx.post(f"{service.url}/events", json=answer("before"), timeout=TIMEOUT_S).status_code == 202
        assert service._process is not None
        pid = service._process.pid
        old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, ((project / RECORDS).stat().st_size + 100, old[1]))
        told: list[httpx.Response] = []
        events = [answer(f"during-{number}") for number in range(50)]
        sender = threading.Thread(
            target=lambda: told.append(httpx.post(f"{service.url}/events", json=events, timeout=TIMEOUT_S)), daemon=True
        )
        sender.start()
        wait_until(lambda: status(service)["status"] == "degraded", "the status to say so")
        reasons, lines = status(service)["reasons"], (project / RECORDS).read_bytes().splitlines()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, old)
        sender.join(TIMEOUT_S)
        wait_until(lambda: status(service)["status"] == "ok", "the end of it")
        assert service.terminate() == 0

    assert reasons[0].startswith("egress: "), reasons
    assert len(lines) == 1
    assert told[0].json()["accepted"] == len(events)
    assert Counter(line["id"] for line in read_lines(project / RECORDS)) == Counter(
        ["before", *(event["id"] for event in events)]
    )
