"""The time of real servers, as tests hold it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from engine.testing import ManualClock


class ServerTime(ManualClock):
    """A clock for stores whose time is a server's: instead of the time moving on, all that is dated there moves back.

    `clients` reach every node and database that has keys of this prefix.
    """

    def __init__(self, clients: Sequence[redis.Redis], prefix: str) -> None:
        super().__init__()
        self._clients = clients
        self._prefix = prefix

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def advance(self, delay_ms: int) -> None:
        super().advance(delay_ms)
        self._date_back(delay_ms)

    def step_wall(self, delay_ms: int) -> None:
        self._date_back(delay_ms)

    def _date_back(self, by_ms: int) -> None:
        for client in self._clients:
            for key in list(client.scan_iter(f"{self._prefix}:*", count=1_000)):
                left_ms = client.pttl(key)
                if left_ms >= 0:
                    client.pexpire(key, max(0, left_ms - by_ms))
                if key.startswith(f"{self._prefix}:o:".encode()) and client.exists(key):
                    client.hincrby(key, "d", -by_ms)
                if key.startswith(f"{self._prefix}:w:".encode()):
                    for window, _ in client.zscan_iter(key):
                        client.zincrby(key, -by_ms, window)


@contextmanager
def time_at(clients: Sequence[redis.Redis], prefix: str) -> Iterator[ServerTime]:
    """A clock over these clients, which are closed at the end."""
    try:
        yield ServerTime(clients, prefix)
    finally:
        for client in clients:
            client.close()
