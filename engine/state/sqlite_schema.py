"""The tables of the SQLite store and how its file is opened.

A claim is found by a 128-bit digest of its key: rows are small and of one width, which makes writing them a third
cheaper than keys as text. The table of bases has its keys in an index apart: a look for a key reads whole rows where
these are in the index, and bases are large.
"""

PRAGMAS = ("journal_mode = WAL", "temp_store = MEMORY", "wal_autocheckpoint = 8000")

SCHEMA = """
CREATE TABLE IF NOT EXISTS owner (
    id TEXT PRIMARY KEY,
    committed INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claim (
    digest BLOB PRIMARY KEY,
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    mark TEXT NOT NULL,
    takeovers INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS partial (
    aggregation TEXT NOT NULL,
    key TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    now BLOB NOT NULL,
    prev_seq INTEGER NOT NULL,
    prev BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (aggregation, key, start_ms, owner)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base (
    aggregation TEXT NOT NULL,
    key TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    owner TEXT NOT NULL,
    place INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (aggregation, key, start_ms, owner, place)
);
CREATE TABLE IF NOT EXISTS announced (
    aggregation TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (aggregation, start_ms, key)
) WITHOUT ROWID;
"""
