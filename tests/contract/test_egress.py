"""The contract of an egress, run over every implementation; and what a file promises beyond it."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.egress.file import FileEgress
from engine.egress.kafka_start import connect
from engine.errors import EgressUnavailable
from engine.event import Record, Refusal
from engine.ports import Egress
from engine.settings import KafkaSettings, Settings
from tests.servers.kafka import make_topic, values

Contents = Callable[[str], list[bytes]]


class Place(NamedTuple):
    """An egress, and what is on its topics."""

    egress: Egress
    contents: Contents


FILES: dict[str, dict[str, Any]] = {
    "in a thread": {"fsync": True},
    "at once": {"fsync": False, "at_once": True},
}


def egress_to(directory: Path, way: str) -> FileEgress:
    return FileEgress(lambda topic: directory / f"{topic}.ndjson", **FILES[way])


@pytest.fixture(params=FILES)
def files(tmp_path: Path, request: pytest.FixtureRequest) -> FileEgress:
    return egress_to(tmp_path, request.param)


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return lambda topic: (tmp_path / f"{topic}.ndjson").read_bytes().splitlines()


@pytest.fixture(params=[*FILES, "kafka"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param in FILES:
        yield Place(egress_to(tmp_path, request.param), request.getfixturevalue("contents"))
        return
    bootstrap = request.getfixturevalue("kafka_broker")
    topics = {name: make_topic(bootstrap) for name in ("events", "premium")}
    connection = connect(Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap)), topics.values())
    egress = connection.egress()
    yield Place(_Renamed(egress, topics), lambda topic: values(bootstrap, topics[topic]))
    await egress.close()


class _Renamed:
    """An egress whose topics have other names on the broker than in the test."""

    def __init__(self, egress: Egress, topics: dict[str, str]) -> None:
        self._egress = egress
        self._topics = topics
        self.purge = egress.purge
        self.close = egress.close

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        return self._egress.send([record._replace(topic=self._topics[record.topic]) for record in records])


async def said(egress: FileEgress) -> None:
    """Return when the egress says that it has a problem."""
    async with asyncio.timeout(10):
        while egress.problem is None:  # noqa: ASYNC110 - the writer's thread sets it
            await asyncio.sleep(0)


def records(topic: str, *values: str) -> list[Record]:
    return [Record(topic, "key", value.encode()) for value in values]


async def test_records_are_out_in_order_when_send_returns(place: Place) -> None:
    assert await place.egress.send(records("events", "1", "2", "3")) == []

    assert place.contents("events") == [b"1", b"2", b"3"]


async def test_records_keep_the_order_they_were_handed_over_in_whoever_waits_first(place: Place) -> None:
    first, second = place.egress.send(records("events", "1", "2")), place.egress.send(records("events", "3"))
    await second
    await first

    assert place.contents("events") == [b"1", b"2", b"3"]


async def test_each_topic_gets_its_own_records(place: Place) -> None:
    await place.egress.send([*records("events", "1"), *records("premium", "2"), *records("events", "3")])

    assert (place.contents("events"), place.contents("premium")) == ([b"1", b"3"], [b"2"])


async def test_nothing_to_send_is_fine(place: Place) -> None:
    assert await place.egress.send([]) == []


async def test_close_delivers_what_was_handed_over(place: Place) -> None:
    waiting = asyncio.ensure_future(place.egress.send(records("events", *map(str, range(1000)))))
    await place.egress.close()

    assert len(place.contents("events")) == 1000
    assert await waiting == []


async def test_close_delivers_what_nobody_waits_for_any_more(place: Place) -> None:
    waiting = asyncio.ensure_future(place.egress.send(records("events", "1", "2")))
    waiting.cancel()
    await place.egress.close()

    assert place.contents("events") == [b"1", b"2"]


async def test_after_a_purge_records_go_out_again(place: Place) -> None:
    await place.egress.send(records("events", "1"))
    await place.egress.purge()
    await place.egress.send(records("events", "2"))

    assert place.contents("events") == [b"1", b"2"]


async def test_a_line_that_a_crash_cut_off_is_removed_before_the_next(
    tmp_path: Path, files: FileEgress, contents: Contents
) -> None:
    (tmp_path / "events.ndjson").write_bytes(b'{"a":1}\n{"a":2}\n{"a":' + b"x" * 100_000)

    await files.send(records("events", "3"))

    assert contents("events") == [b'{"a":1}', b'{"a":2}', b"3"]


async def test_what_was_written_before_is_kept(tmp_path: Path, contents: Contents) -> None:
    for value in ("1", "2"):
        egress = FileEgress(lambda topic: tmp_path / f"{topic}.ndjson", fsync=False)
        await egress.send(records("events", value))
        await egress.close()

    assert contents("events") == [b"1", b"2"]


async def test_a_full_disk_is_waited_out_and_said_and_leaves_no_half_a_line(files: FileEgress, contents: Contents) -> None:
    await files.send(records("events", "before"))
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1][1]))
    try:
        sent = asyncio.ensure_future(files.send(records("events", *["x" * 100] * 100)))
        await said(files)
        assert contents("events") == [b"before"]
        assert not sent.done()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old[1])
        signal.signal(signal.SIGXFSZ, old[0])

    assert await sent == []
    assert len(contents("events")) == 101
    assert files.problem is None


async def test_purged_records_that_could_not_be_written_are_given_up(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where a directory is needed")
    egress = FileEgress(lambda topic: tmp_path / "events" / topic, fsync=False)
    sent = asyncio.ensure_future(egress.send(records("events", "1")))
    await said(egress)
    await egress.purge()

    with pytest.raises(EgressUnavailable):
        await sent
