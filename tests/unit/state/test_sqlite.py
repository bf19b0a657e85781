"""What an SQLite store does where its caller gives up while a commit is being synced."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.ports import Claim
from engine.state.sqlite import SqliteStateStore
from engine.testing import ManualClock

HOUR_MS = 3_600_000


class Disk:
    """What all connections write to: a commit waits until it is let go, and the first may fail."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()
        self.failure: sqlite3.Error | None = None

    def connection(self) -> type[sqlite3.Connection]:
        """The kind of connection that writes to it."""
        disk = self

        class Connection(sqlite3.Connection):
            def commit(self) -> None:
                disk.asked.set()
                disk.let_go.wait(5)
                failure, disk.failure = disk.failure, None
                if failure is not None:
                    raise failure
                super().commit()

        return Connection


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made, connect = Disk(), sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, factory=made.connection(), **options))
    return made


@pytest.mark.parametrize("failure", [None, sqlite3.OperationalError("disk I/O error")])
async def test_a_request_that_is_cancelled_in_its_commit_ends_with_it(
    disk: Disk, tmp_path: Path, failure: sqlite3.Error | None
) -> None:
    store = SqliteStateStore(tmp_path / "state.db", ManualClock())
    first = asyncio.create_task(store.claim("o1", 1, ["a"], [7], [HOUR_MS]))
    await asyncio.to_thread(disk.asked.wait, 5)
    second = asyncio.create_task(store.claim("o2", 1, ["a"], [7], [HOUR_MS]))

    for _ in range(2):
        first.cancel()
        await asyncio.wait([first, second], timeout=0.02)
    assert not first.done(), "the thread is still at it"
    assert not second.done(), "and nobody else may write"

    disk.failure = failure
    disk.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == [Claim("o1", 1, 7) if failure is None else None], "what was written stays, what was not is taken back"
    await store.close()


@pytest.mark.parametrize("told", ["disk I/O error", "database disk image is malformed"])
async def test_a_file_that_fails_or_is_damaged_is_a_store_that_is_away(disk: Disk, tmp_path: Path, told: str) -> None:
    store = SqliteStateStore(tmp_path / "state.db", ManualClock())
    disk.failure = sqlite3.OperationalError(told) if "I/O" in told else sqlite3.DatabaseError(told)
    disk.let_go.set()

    with pytest.raises(StoreUnavailable, match=told):
        await store.claim("o1", 1, ["a"], [7], [HOUR_MS])
    assert await store.claim("o2", 1, ["a"], [7], [HOUR_MS]) == [None]
    await store.close()
