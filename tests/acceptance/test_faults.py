"""Faults over the whole, briefly: two instances of two workers over a real Redis and a real Kafka. `tools/faults` does it for longer."""

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
from tests.acceptance.samples import answer, read_lines
from tests.faults.instances import Site, site
from tests.faults.run import run
from tests.redis_servers import need_redis
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer

LEASE_S: Final = 2
RECORDS: Final = Path("out", "events.enriched.ndjson")


@pytest.fixture
def whole(tmp_path: Path, stoppable_kafka: Kafka) -> Iterator[Site]:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis, site(tmp_path, redis, stoppable_kafka, LEASE_S) as ready:
        yield ready


@pytest.mark.parametrize(
    ("kinds", "seconds"),
    [
        (["kill", "kill", "kill"], 3),
        (["zombie"], 1),
        (["redis-pause", "redis-restart"], 2),
        (["kafka-stop"], 1),
        (["term", "term"], 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_after_a_fault_under_load_all_that_was_answered_is_out_and_everything_is_counted_once(
    whole: Site, kinds: list[str], seconds: float
) -> None:
    report = run(whole, 1, kinds, len(kinds), seconds)

    assert report.breaches == [], "\n".join(report.lines())
    assert report.done == Counter(kinds)
    assert report.records >= report.sent > 0
    assert [instance.terminate() for instance in whole.instances] == [0, 0]


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
