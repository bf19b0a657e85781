"""Windows noted in the SQLite store, because their result is to be published once they are closed.

Rule of the file: notes are kept by the start of their window, so that those that are closed stand together and a look finds them at
the cost of what it returns. The caller holds the transaction.
"""

import sqlite3
from collections.abc import Sequence

from engine.ports import Group, Told


def announce(db: sqlite3.Connection, windows: Sequence[Group], expires_ms: int) -> None:
    """See StateStore."""
    db.executemany(
        "INSERT INTO announced (aggregation, key, start_ms, expires_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET expires_ms = max(expires_ms, excluded.expires_ms)",
        [(*window, expires_ms) for window in windows],
    )


def announced(db: sqlite3.Connection, aggregation: str, through_ms: int, limit: int) -> list[Group]:
    """See StateStore."""
    sql = (
        "SELECT aggregation, key, start_ms FROM announced WHERE aggregation = ? AND start_ms <= ?"
        " ORDER BY aggregation, start_ms, key LIMIT ?"
    )
    return [Group(*row) for row in db.execute(sql, (aggregation, through_ms, limit))]


def last_announced(db: sqlite3.Connection, aggregation: str) -> int | None:
    """See StateStore."""
    start_ms: int | None
    (start_ms,) = db.execute("SELECT max(start_ms) FROM announced WHERE aggregation = ?", (aggregation,)).fetchone()
    return start_ms


def withdraw(db: sqlite3.Connection, told: Sequence[Told]) -> None:
    """See StateStore."""
    look = "SELECT owner, seq FROM partial WHERE aggregation = ? AND key = ? AND start_ms = ?"
    through = []
    for window, panes in told:
        rows = [(seqs.get(owner, -1), seq) for pane, seqs in panes.items() for owner, seq in db.execute(look, tuple(pane))]
        if all(there <= looked_at for looked_at, there in rows):
            through.append(window)
    db.executemany("DELETE FROM announced WHERE aggregation = ? AND key = ? AND start_ms = ?", through)
