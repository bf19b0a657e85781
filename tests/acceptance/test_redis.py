"""`rulemill serve` on `store: redis`: killed and started again, alone and beside others, over a real server."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import START_MS, WINDOW_MS, Event, answer, epoch_ms, read_lines, write_rules
from tests.redis_servers import own_prefix
from tools.servers.redis import RedisCluster, RedisServer

BATCH = 50
LEASE_MS = 15_000


@pytest.fixture
def on_server(redis_server: RedisServer) -> dict[str, str]:
    """The environment that names a server."""
    return {"STATE_STORE": "redis", "REDIS_ADDRESS": redis_server.address, "REDIS_PREFIX": own_prefix()}


@pytest.fixture
def on_cluster(redis_cluster: RedisCluster) -> dict[str, str]:
    """The environment that names a cluster."""
    address = redis_cluster.nodes[0].address
    return {"STATE_STORE": "redis", "REDIS_ADDRESS": address, "REDIS_CLUSTER": "true", "REDIS_PREFIX": own_prefix()}


@contextmanager
def services(tmp_path: Path, number: int, variables: dict[str, str]) -> Iterator[list[Service]]:
    """Several services, as on several machines: each with a directory of its own, all over one Redis."""
    with ExitStack() as stack:
        started = []
        for n in range(number):
            directory = tmp_path / f"machine-{n}"
            directory.mkdir()
            write_rules(directory / "rules")
            started.append(stack.enter_context(Service(directory, **variables)))
        yield started


def post(service: Service, events: list[Event]) -> Counter[str]:
    """What became of each event."""
    answered = httpx.post(f"{service.url}/events?results=all", json=events, timeout=TIMEOUT_S).json()
    return Counter(result["status"] for result in answered["results"])


def windows(service: Service, user: str = "u1") -> dict[int, dict[str, Any]]:
    asked = {"aggregator": "by_user", "key": f"user:{user}"}
    answered = httpx.get(f"{service.url}/processor/aggregation", params=asked, timeout=TIMEOUT_S)
    assert answered.status_code == 200, answered.text
    return {epoch_ms(window["start"]): window["values"] for window in answered.json()["windows"]}


def batch(name: str) -> list[Event]:
    return [answer(f"{name}-{n}", at=START_MS + n % 3 * WINDOW_MS, points=n) for n in range(BATCH)]


def expected(*batches: list[Event]) -> dict[int, dict[str, Any]]:
    answers, points = Counter[int](), Counter[int]()
    for event in (event for events in batches for event in events):
        answers[event["at"]] += 1
        points[event["at"]] += event["points"]
    return {at: {"answers": answers[at], "points": points[at], "slowest_ms": None} for at in answers}


def records(*running: Service) -> Counter[str]:
    lines = [line for service in running for line in read_lines(service.directory / "out" / "events.enriched.ndjson")]
    return Counter(line["id"] for line in lines)


def test_after_kill_9_copies_are_told_and_aggregates_are_exact(on_server: dict[str, str], tmp_path: Path) -> None:
    first, second = batch("a"), batch("b")
    with services(tmp_path, 1, on_server) as (service,):
        assert post(service, first) == {"accepted": BATCH}
        service.kill()
        service.start()
        again = post(service, first)
        new = post(service, second)
        shown = windows(service)
        status = httpx.get(f"{service.url}/processor/status").json()

        assert again == {"duplicate": BATCH}
        assert new == {"accepted": BATCH}
        assert shown == expected(first, second)
        assert set(records(service).values()) == {1}
        assert (status["status"], status["store"]["kind"]) == ("ok", "redis")


def test_two_machines_over_one_cluster_take_each_event_once_and_show_the_same_aggregates(
    on_cluster: dict[str, str], tmp_path: Path
) -> None:
    first, second = batch("a"), batch("b")
    with services(tmp_path, 2, on_cluster) as (one, other):
        assert post(one, first) == {"accepted": BATCH}
        assert post(other, [*first, *second]) == {"duplicate": BATCH, "accepted": BATCH}
        assert post(one, second) == {"duplicate": BATCH}

        assert windows(one) == windows(other) == expected(first, second)
        assert records(one, other) == Counter(event["id"] for event in [*first, *second])


def test_what_a_killed_machine_held_is_taken_over_by_another_when_its_lease_is_over(
    redis_server: RedisServer, on_server: dict[str, str], tmp_path: Path
) -> None:
    """The disk of the first one's records is stuck, so that it holds what it claimed until it is killed."""
    events = batch("a")
    with services(tmp_path, 2, on_server) as (held, other):
        (held.directory / "out" / "events.enriched.ndjson").mkdir(parents=True)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{held.url}/events", json=events, timeout=1)
        held.kill()
        assert post(other, events) == {"retry": BATCH}
        end_lease_of_holder(redis_server, on_server["REDIS_PREFIX"])

        assert post(other, events) == {"accepted": BATCH}
        assert post(other, events) == {"duplicate": BATCH}
        assert windows(other) == expected(events)
        lines = read_lines(other.directory / "out" / "events.enriched.ndjson")
        assert [line["processing"]["takeover"] for line in lines] == [True] * BATCH


def end_lease_of_holder(server: RedisServer, prefix: str) -> None:
    """Let the time of the one owner run out that holds claims."""
    with server.client(3) as client:
        claims = [client.get(key) for key in client.scan_iter(f"{prefix}:c:*")]
        (owner,) = {claim.split()[0].decode() for claim in claims if isinstance(claim, bytes)}
        client.hincrby(f"{prefix}:o:{{{owner}}}", "d", -LEASE_MS)


def test_a_redis_that_cannot_be_used_is_told_before_anything_listens(on_server: dict[str, str], tmp_path: Path) -> None:
    write_rules(tmp_path / "rules")

    ended = rulemill("serve", cwd=tmp_path, stdin=b"", **on_server, REDIS_CLUSTER="true", HTTP_PORT="0")

    assert ended.returncode == 2
    assert (
        f"the server at `{on_server['REDIS_ADDRESS']}` is no node of a cluster; set `redis.cluster: false`"
        in ended.stderr.decode()
    )
    assert b"Traceback" not in ended.stderr
    assert b"listening" not in ended.stdout
