"""The contract of an egress, run over every implementation; and what a file promises beyond it."""

import asyncio
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.egress.file import FileEgress
from engine.egress.shared_file import SharedAppendFile
from engine.errors import EgressUnavailable
from engine.event import Record
from engine.ports import Egress

Contents = Callable[[str], list[bytes]]


@pytest.fixture(
    params=[{"fsync": True}, {"fsync": False, "at_once": True}, {"fsync": True, "open_file": SharedAppendFile}],
    ids=["in a thread", "at once", "shared"],
)
def egress(tmp_path: Path, request: pytest.FixtureRequest) -> FileEgress:
    return FileEgress(lambda topic: tmp_path / f"{topic}.ndjson", **request.param)


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return lambda topic: (tmp_path / f"{topic}.ndjson").read_bytes().splitlines()


async def said(egress: FileEgress) -> None:
    """Return when the egress says that it has a problem."""
    async with asyncio.timeout(10):
        while egress.problem is None:  # noqa: ASYNC110 - the writer's thread sets it
            await asyncio.sleep(0)


def records(topic: str, *values: str) -> list[Record]:
    return [Record(topic, "key", value.encode()) for value in values]


async def test_records_are_out_in_order_when_send_returns(egress: Egress, contents: Contents) -> None:
    assert await egress.send(records("events", "1", "2", "3")) == []

    assert contents("events") == [b"1", b"2", b"3"]


async def test_records_keep_the_order_they_were_handed_over_in_whoever_waits_first(egress: Egress, contents: Contents) -> None:
    first, second = egress.send(records("events", "1", "2")), egress.send(records("events", "3"))
    await second
    await first

    assert contents("events") == [b"1", b"2", b"3"]


async def test_each_topic_gets_its_own_records(egress: Egress, contents: Contents) -> None:
    await egress.send([*records("events", "1"), *records("premium", "2"), *records("events", "3")])

    assert (contents("events"), contents("premium")) == ([b"1", b"3"], [b"2"])


async def test_nothing_to_send_is_fine(egress: Egress) -> None:
    assert await egress.send([]) == []


async def test_close_delivers_what_was_handed_over(egress: Egress, contents: Contents) -> None:
    waiting = asyncio.ensure_future(egress.send(records("events", *map(str, range(1000)))))
    await egress.close()

    assert len(contents("events")) == 1000
    assert await waiting == []


async def test_a_line_that_a_crash_cut_off_is_removed_before_the_next(tmp_path: Path, egress: Egress, contents: Contents) -> None:
    (tmp_path / "events.ndjson").write_bytes(b'{"a":1}\n{"a":2}\n{"a":' + b"x" * 100_000)

    await egress.send(records("events", "3"))

    assert contents("events") == [b'{"a":1}', b'{"a":2}', b"3"]


async def test_what_was_written_before_is_kept(tmp_path: Path, contents: Contents) -> None:
    for value in ("1", "2"):
        egress = FileEgress(lambda topic: tmp_path / f"{topic}.ndjson", fsync=False)
        await egress.send(records("events", value))
        await egress.close()

    assert contents("events") == [b"1", b"2"]


async def test_a_full_disk_is_waited_out_and_said_and_leaves_no_half_a_line(egress: FileEgress, contents: Contents) -> None:
    await egress.send(records("events", "before"))
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1][1]))
    try:
        sent = asyncio.ensure_future(egress.send(records("events", *["x" * 100] * 100)))
        await said(egress)
        assert contents("events") == [b"before"]
        assert not sent.done()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old[1])
        signal.signal(signal.SIGXFSZ, old[0])

    assert await sent == []
    assert len(contents("events")) == 101
    assert egress.problem is None


async def test_purged_records_that_could_not_be_written_are_given_up(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where a directory is needed")
    egress = FileEgress(lambda topic: tmp_path / "events" / topic, fsync=False)
    sent = asyncio.ensure_future(egress.send(records("events", "1")))
    await said(egress)
    await egress.purge()

    with pytest.raises(EgressUnavailable):
        await sent
