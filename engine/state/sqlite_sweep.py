"""Removal of what has expired from the SQLite store, in small bites.

Rule of the file: a bite walks on from where the last one ended, so no index on the time of expiry has to be kept up
for each claim that is written. Owners go last, for claims and partials refer to them.
"""

import sqlite3
from typing import Any


class Sweeper:
    """Walks round the tables; the caller holds the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._after_claim = b""
        self._after_group: tuple[str, str, int] = ("", "", 0)
        self._after_note: tuple[str, int, str] = ("", 0, "")

    def sweep(self, now_ms: int, limit: int) -> int:
        """Look at up to `limit` claims, as many groups and as many notes of windows; returns how many rows were removed."""
        removed = self._claims(now_ms, limit) + self._groups(now_ms, limit) + self._notes(now_ms, limit)
        owners = "DELETE FROM owner WHERE max(expires_ms, deadline_ms) < ?"
        return removed + self._db.execute(owners, (now_ms,)).rowcount

    def _claims(self, now_ms: int, limit: int) -> int:
        sql = "SELECT digest, expires_ms FROM claim WHERE digest > ? ORDER BY digest LIMIT ?"
        rows = self._db.execute(sql, (self._after_claim, limit)).fetchall()
        self._after_claim = rows[-1][0] if len(rows) == limit else b""
        return self._delete(
            "DELETE FROM claim WHERE digest = ?", [(digest,) for digest, expires_ms in rows if expires_ms < now_ms]
        )

    def _groups(self, now_ms: int, limit: int) -> int:
        sql = (
            "SELECT aggregation, key, start_ms, max(expires_ms) FROM partial"
            " WHERE (aggregation, key, start_ms) > (?, ?, ?) GROUP BY aggregation, key, start_ms"
            " ORDER BY aggregation, key, start_ms LIMIT ?"
        )
        rows = self._db.execute(sql, (*self._after_group, limit)).fetchall()
        self._after_group = rows[-1][:3] if len(rows) == limit else ("", "", 0)
        due = [tuple(row[:3]) for row in rows if row[3] < now_ms]
        self._delete("DELETE FROM base WHERE aggregation = ? AND key = ? AND start_ms = ?", due)
        return self._delete("DELETE FROM partial WHERE aggregation = ? AND key = ? AND start_ms = ?", due)

    def _notes(self, now_ms: int, limit: int) -> int:
        sql = (
            "SELECT aggregation, start_ms, key, expires_ms FROM announced WHERE (aggregation, start_ms, key) > (?, ?, ?)"
            " ORDER BY aggregation, start_ms, key LIMIT ?"
        )
        rows = self._db.execute(sql, (*self._after_note, limit)).fetchall()
        self._after_note = rows[-1][:3] if len(rows) == limit else ("", 0, "")
        due = [tuple(row[:3]) for row in rows if row[3] < now_ms]
        return self._delete("DELETE FROM announced WHERE aggregation = ? AND start_ms = ? AND key = ?", due)

    def _delete(self, sql: str, rows: list[Any]) -> int:
        return self._db.executemany(sql, rows).rowcount if rows else 0
