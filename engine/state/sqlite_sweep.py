"""Removal of what has expired from the SQLite store, in small bites.

Rule of the file: a bite walks on from where the last one ended, so no index on the time of expiry has to be kept up
for each claim that is written. Owners go last, for claims and partials refer to them.
"""

import sqlite3
from typing import Any

from engine.ports import Swept


class Sweeper:
    """Walks round the tables, one after another; the caller holds the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._walks = (self._claims, self._groups, self._notes)
        self._walk = 0
        self._after_claim = b""
        self._after_group: tuple[str, str, int] = ("", "", 0)
        self._after_note: tuple[str, int, str] = ("", 0, "")

    def sweep(self, now_ms: int, limit: int) -> Swept:
        """Look at up to `limit` more rows, and remove those that expired before `now_ms`. Owners, who are few, go together at the end of a round."""
        removed = 0
        while limit:
            looked_at, gone = self._walks[self._walk](now_ms, limit)
            removed += gone
            if looked_at < limit:
                self._walk = (self._walk + 1) % len(self._walks)
                if self._walk == 0:
                    owners = self._db.execute("DELETE FROM owner WHERE max(expires_ms, deadline_ms) < ?", (now_ms,))
                    return Swept(removed + owners.rowcount, through=True)
            limit -= looked_at
        return Swept(removed, through=False)

    def _claims(self, now_ms: int, limit: int) -> tuple[int, int]:
        """How many rows were looked at, and how many removed; so do the other walks. Claims are many: not one of them becomes an object here."""
        after = self._after_claim
        sql = "SELECT count(*), max(digest) FROM (SELECT digest FROM claim WHERE digest > ? ORDER BY digest LIMIT ?)"
        looked_at, last = self._db.execute(sql, (after, limit)).fetchone()
        self._after_claim = last if looked_at == limit else b""
        if not looked_at:
            return 0, 0
        removal = "DELETE FROM claim WHERE digest > ? AND digest <= ? AND expires_ms < ?"
        return looked_at, self._db.execute(removal, (after, last, now_ms)).rowcount

    def _groups(self, now_ms: int, limit: int) -> tuple[int, int]:
        sql = (
            "SELECT aggregation, key, start_ms, max(expires_ms) FROM partial"
            " WHERE (aggregation, key, start_ms) > (?, ?, ?) GROUP BY aggregation, key, start_ms"
            " ORDER BY aggregation, key, start_ms LIMIT ?"
        )
        rows = self._db.execute(sql, (*self._after_group, limit)).fetchall()
        self._after_group = rows[-1][:3] if len(rows) == limit else ("", "", 0)
        due = [tuple(row[:3]) for row in rows if row[3] < now_ms]
        self._delete("DELETE FROM base WHERE aggregation = ? AND key = ? AND start_ms = ?", due)
        self._delete("DELETE FROM partial WHERE aggregation = ? AND key = ? AND start_ms = ?", due)
        return len(rows), len(due)

    def _notes(self, now_ms: int, limit: int) -> tuple[int, int]:
        sql = (
            "SELECT aggregation, start_ms, key, expires_ms FROM announced WHERE (aggregation, start_ms, key) > (?, ?, ?)"
            " ORDER BY aggregation, start_ms, key LIMIT ?"
        )
        rows = self._db.execute(sql, (*self._after_note, limit)).fetchall()
        self._after_note = rows[-1][:3] if len(rows) == limit else ("", 0, "")
        due = [tuple(row[:3]) for row in rows if row[3] < now_ms]
        self._delete("DELETE FROM announced WHERE aggregation = ? AND start_ms = ? AND key = ?", due)
        return len(rows), len(due)

    def _delete(self, sql: str, rows: list[Any]) -> None:
        if rows:
            self._db.executemany(sql, rows)
