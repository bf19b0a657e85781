"""State in one SQLite file: everything on one machine, nothing installed beside Python.

Rule of the file: one request is one transaction. Rows are written on the event loop, for SQLite lets go of Python's lock
at every row and a thread of its own would wait for it at each; what waits for the disk (a commit that is synced, a long read)
is done in a thread. Readers have a connection of their own, so that a dashboard never holds a writer up.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from itertools import repeat
from pathlib import Path
from typing import Literal, TypeVar

import orjson

from engine.errors import SettingsInvalid, StoreUnavailable
from engine.ports import HELD, Change, Claim, Clock, CommittedClaim, Group, Judgement, Partial, StoredPartial, Swept, Told
from engine.state import sqlite_announced
from engine.state.sqlite_schema import PRAGMAS, SCHEMA
from engine.state.sqlite_sweep import Sweeper

T = TypeVar("T")

_CLAIM_COLUMNS = "owner, seq, checksum, mark, takeovers"
_PARTIAL_COLUMNS = "aggregation, key, start_ms, owner, seq, now, prev_seq, prev"
_BASES = "aggregation = partial.aggregation AND key = partial.key AND start_ms = partial.start_ms AND owner = partial.owner"
_STORED = f"{_PARTIAL_COLUMNS}, " + ", ".join(f"(SELECT value FROM base WHERE {_BASES} AND place = {place})" for place in (1, 2))
_SCAN_ROWS = 1_000
# Short ones: where several workers write, the file is free for a moment after each commit, and whoever sleeps through it waits for the next.
_LOCK_WAITS_MS = (1, 2, *[5] * 800)
_BUSY_TIMEOUT_S = 5.0
_READERS_SHARE = 8
_CLAIMS_A_SELECT = 512


class SqliteStateStore:
    """Claims, owners and partials in an SQLite file that other processes of this machine may share.

    `synchronous="FULL"` survives a power cut; `"NORMAL"` survives every end of the process, and a power cut may lose
    the last writes. Raises SettingsInvalid where the file cannot be opened.
    """

    compacts = False

    def __init__(
        self, path: Path, clock: Clock, synchronous: Literal["FULL", "NORMAL"] = "FULL", cache_bytes: int = 64 << 20
    ) -> None:
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _connect(path, synchronous, cache_bytes)
            self._reader = _connect(path, synchronous, cache_bytes // _READERS_SHARE)
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsInvalid(f"state cannot be kept in `{path}`: {reason}; name another file, or mend this one") from error
        self._db.execute("PRAGMA busy_timeout = 0")  # from here on, waiting is done without holding up the event loop
        self._syncs = synchronous == "FULL"
        self._one_at_a_time = asyncio.Lock()
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")
        self._sweeper = Sweeper(self._db)

    async def open(self, owner: str, lease_ms: int) -> bool:
        """See StateStore."""
        now_ms = self._clock.now_ms()
        row = (owner, now_ms + lease_ms, now_ms + lease_ms)
        sql = "INSERT OR IGNORE INTO owner (id, committed, deadline_ms, ended, expires_ms) VALUES (?, 0, ?, 0, ?)"
        return await self._write(lambda db: db.execute(sql, row).rowcount == 1)

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        return await self._write(lambda db: self._claim(db, owner, seq, keys, checksums, ttls_ms))

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        return await self._write(lambda db: self._settle(db, changes))

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore. There is no shorter form here."""

    async def judge(self, owner: str) -> Judgement:
        """See StateStore."""
        return await self._write(lambda db: self._judge(db, owner))

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """See StateStore."""
        return await self._write(lambda db: self._keep(db, owner, seq, lease_ms, expires_ms))

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """See StateStore."""
        rows = [(*p.group, owner, p.seq, p.now, p.prev_seq, p.prev, p.expires_ms) for p in partials]
        bases = [(*p.group, owner, p.base.place, p.seq, p.base.value) for p in partials if p.base is not None]

        def write(db: sqlite3.Connection) -> None:
            db.executemany(
                f"INSERT INTO partial ({_PARTIAL_COLUMNS}, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET seq = excluded.seq, now = excluded.now, prev_seq = excluded.prev_seq,"
                " prev = excluded.prev, expires_ms = max(expires_ms, excluded.expires_ms)"
                " WHERE excluded.seq >= seq",
                rows,
            )
            db.executemany(
                "INSERT INTO base (aggregation, key, start_ms, owner, place, seq, value) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET seq = excluded.seq, value = excluded.value WHERE excluded.seq >= seq",
                bases,
            )

        await self._write(write)

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """See StateStore."""
        sql = f"SELECT {_STORED} FROM partial WHERE aggregation = ? AND key = ? AND start_ms = ? AND owner = ?"

        def look(db: sqlite3.Connection) -> list[StoredPartial | None]:
            rows = (db.execute(sql, (*group, owner)).fetchone() for group in groups)
            return [_stored(row) if row else None for row in rows]

        return await self._write(look)

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[StoredPartial]:
        """See StateStore."""
        sql = (
            f"SELECT {_STORED} FROM partial"
            " WHERE aggregation = ? AND key = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms"
        )
        return await self._read(lambda db: [_stored(r) for r in db.execute(sql, (aggregation, key, from_ms, to_ms))])

    async def scan(self, aggregation: str, from_ms: int, to_ms: int) -> AsyncIterator[list[StoredPartial]]:
        """See StateStore."""
        sql = (
            f"SELECT {_STORED} FROM partial"
            " WHERE aggregation = ? AND (key, start_ms, owner) > (?, ?, ?) AND start_ms >= ? AND start_ms < ?"
            " ORDER BY key, start_ms, owner LIMIT ?"
        )
        after: tuple[str, int, str] = ("", from_ms, "")
        group: list[StoredPartial] = []
        while True:
            place = (aggregation, *after, from_ms, to_ms, _SCAN_ROWS)
            rows = await self._read(lambda db, place=place: db.execute(sql, place).fetchall())  # type: ignore[misc] # a default says no type
            for partial in map(_stored, rows):
                if group and group[0].group != partial.group:
                    yield group
                    group = []
                group.append(partial)
            if len(rows) < _SCAN_ROWS:
                break
            after = (group[-1].group.key, group[-1].group.start_ms, group[-1].owner)
        if group:
            yield group

    async def partials_of(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """See StateStore."""
        sql = f"SELECT {_STORED} FROM partial WHERE aggregation = ? AND key = ? AND start_ms = ?"
        return await self._read(lambda db: [[_stored(row) for row in db.execute(sql, tuple(group))] for group in groups])

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """See StateStore."""
        await self._write(lambda db: sqlite_announced.announce(db, windows, expires_ms))

    async def announced(self, aggregation: str, through_ms: int, limit: int) -> list[Group]:
        """See StateStore."""
        return await self._read(lambda db: sqlite_announced.announced(db, aggregation, through_ms, limit))

    async def last_announced(self, aggregation: str) -> int | None:
        """See StateStore."""
        return await self._read(lambda db: sqlite_announced.last_announced(db, aggregation))

    async def withdraw(self, told: Sequence[Told]) -> None:
        """See StateStore."""
        await self._write(lambda db: sqlite_announced.withdraw(db, told))

    async def committed(self, owners: Sequence[str]) -> dict[str, int]:
        """See StateStore."""
        sql = "SELECT id, committed FROM owner WHERE id IN (SELECT value FROM json_each(?))"
        rows = await self._read(lambda db: db.execute(sql, (orjson.dumps(owners),)).fetchall())
        return dict.fromkeys(owners, 0) | dict(rows)

    async def end(self, owner: str) -> None:
        """See StateStore."""
        await self._write(lambda db: db.execute("UPDATE owner SET ended = 1 WHERE id = ?", (owner,)))

    async def sweep(self, limit: int) -> Swept:
        """See StateStore."""
        now_ms = self._clock.now_ms()
        return await self._write(lambda _: self._sweeper.sweep(now_ms, limit))

    async def close(self) -> None:
        """See StateStore."""
        self._reads.shutdown()
        self._reader.close()
        self._db.close()

    def _claim(
        self,
        db: sqlite3.Connection,
        owner: str,
        seq: int,
        keys: Sequence[str],
        checksums: Sequence[int],
        ttls_ms: Sequence[int],
    ) -> list[Claim | None]:
        now_ms = self._clock.now_ms()
        digests = [_digest(key) for key in keys]
        expiries_ms = [now_ms + ttl_ms for ttl_ms in ttls_ms]
        before = db.total_changes
        db.executemany(
            f"INSERT INTO claim (digest, {_CLAIM_COLUMNS}, expires_ms) VALUES (?, ?, ?, ?, '{HELD}', 0, ?)"
            " ON CONFLICT DO UPDATE SET owner = excluded.owner, seq = excluded.seq, checksum = excluded.checksum,"
            " mark = excluded.mark, takeovers = 0, expires_ms = excluded.expires_ms"
            " WHERE expires_ms <= ?",
            zip(digests, repeat(owner), repeat(seq), checksums, expiries_ms, repeat(now_ms)),
        )
        if db.total_changes - before == len(keys):
            return [None] * len(keys)
        found = {row[0]: Claim(*row[1:]) for row in _claims_of(db, digests) if row[1:3] != (owner, seq)}
        return [found.get(digest) for digest in digests]

    def _settle(self, db: sqlite3.Connection, changes: Sequence[Change]) -> list[Claim | None]:
        now_ms = self._clock.now_ms()
        found: list[Claim | None] = []
        for key, expected, new, ttl_ms in changes:
            digest = _digest(key)
            sql = f"SELECT {_CLAIM_COLUMNS} FROM claim WHERE digest = ? AND expires_ms > ?"
            row = db.execute(sql, (digest, now_ms)).fetchone()
            current = Claim(*row) if row else None
            if new is not None and current == expected:
                db.execute(
                    "UPDATE claim SET owner = ?, seq = ?, checksum = ?, mark = ?, takeovers = ?,"
                    " expires_ms = coalesce(?, expires_ms) WHERE digest = ?",
                    (*new, None if ttl_ms is None else now_ms + ttl_ms, digest),
                )
                current = new
            found.append(current)
        return found

    def _judge(self, db: sqlite3.Connection, owner: str) -> Judgement:
        now_ms = self._clock.now_ms()
        db.execute("UPDATE owner SET ended = 1 WHERE id = ? AND deadline_ms < ?", (owner, now_ms))
        row = db.execute("SELECT ended, committed FROM owner WHERE id = ?", (owner,)).fetchone()
        return Judgement(bool(row[0]), row[1]) if row else Judgement(gone=True, committed=0)

    def _keep(self, db: sqlite3.Connection, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        if self._judge(db, owner).gone:
            return None
        row: tuple[int] = db.execute(
            "UPDATE owner SET committed = max(committed, ?), deadline_ms = ?, expires_ms = max(expires_ms, ?)"
            " WHERE id = ? RETURNING committed",
            (seq, self._clock.now_ms() + lease_ms, expires_ms, owner),
        ).fetchone()
        return row[0]

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._db
        async with self._one_at_a_time:
            try:
                with _file_that_may_fail():
                    await self._begin()
                    result = work(db)
                    if self._syncs:
                        await _to_its_end(db.commit)
                    else:
                        db.commit()
            except BaseException:
                if db.in_transaction:
                    db.rollback()
                raise
        return result

    async def _begin(self) -> None:
        """Take the file's write lock, waiting for other processes without holding up this one."""
        for wait_ms in _LOCK_WAITS_MS:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                await self._clock.sleep(wait_ms)
            else:
                return
        self._db.execute("BEGIN IMMEDIATE")

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _file_that_may_fail():
            return await asyncio.get_running_loop().run_in_executor(self._reads, work, self._reader)


class PrivateSqliteStateStore(SqliteStateStore):
    """State of one run alone, in a file that goes with it: what does not fit into memory goes to the disk, nothing is kept.

    There is one transaction, which never ends, and one connection.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock, "NORMAL")
        self._reader.close()
        self._reader = self._db
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN")

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _file_that_may_fail():
            return work(self._db)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._write(work)


async def _to_its_end(work: Callable[[], None]) -> None:
    """Do this in a thread and return when it is done; whoever is cancelled meanwhile is told so then, not while the thread is at it."""
    doing = asyncio.get_running_loop().run_in_executor(None, work)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait([doing])
        except asyncio.CancelledError as error:
            cancelled = error
    failed = doing.exception()
    if cancelled is not None:
        raise cancelled
    if failed is not None:
        raise failed


@contextmanager
def _file_that_may_fail() -> Iterator[None]:
    """Where the disk or the file is at fault (full, locked, damaged), and not the request, the store is away."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise StoreUnavailable(f"sqlite: {error}") from error
        raise


def _connect(path: Path, synchronous: str, cache_bytes: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*PRAGMAS, f"synchronous = {synchronous}", f"cache_size = -{cache_bytes >> 10}"):
            db.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def _claims_of(db: sqlite3.Connection, digests: Sequence[bytes]) -> Iterator[tuple[bytes, str, int, int, str, int]]:
    """The rows of these claims. The last slice is filled up to a power of two, so that few statements are compiled."""
    for start in range(0, len(digests), _CLAIMS_A_SELECT):
        part = digests[start : start + _CLAIMS_A_SELECT]
        width = 1 << (len(part) - 1).bit_length()
        marks = ", ".join("?" * width)
        sql = f"SELECT digest, {_CLAIM_COLUMNS} FROM claim WHERE digest IN ({marks})"
        yield from db.execute(sql, (*part, *([part[0]] * (width - len(part)))))


def _stored(row: tuple[str, str, int, str, int, bytes, int, bytes, bytes | None, bytes | None]) -> StoredPartial:
    aggregation, key, start_ms, owner, seq, now, prev_seq, prev, *bases = row
    first, second = (base or b"" for base in bases)
    return StoredPartial(Group(aggregation, key, start_ms), owner, seq, now, prev_seq, prev, (first, second))
