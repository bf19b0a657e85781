"""Connections of clients, shared out among the workers.

In: a listening socket. Out: each connection is handed, as an open file, to the worker that has fewest. Rule of the file: nothing of a connection is
read here; the supervisor's only work is one system call to accept it and one to hand it over.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_NODELAY, send_fds, socket
from typing import Final

from engine.ports import Clock

TAKEN: Final = b"t"
ENDED: Final = b"e"
"""What a worker answers: a byte for each connection that it has taken, and one for each that has ended."""

_AT_ONCE: Final = 64
_REST_S: Final = 0.05
_LATE_MS: Final = 1_000
_log = logging.getLogger("rulemill.workers")


class Desk:
    """Where one worker's connections are handed over. `end` is this side of a socket pair."""

    def __init__(self, end: socket, clock: Clock) -> None:
        self.open = 0
        self._end = end
        self._clock = clock
        self._not_taken: deque[int] = deque()
        end.settimeout(0)

    def load(self) -> tuple[bool, int]:
        """The less the better: one that has left a connection waiting for a second comes after all others."""
        return bool(self._not_taken) and self._clock.monotonic_ms() - self._not_taken[0] > _LATE_MS, self.open

    def hand_over(self, connection: socket) -> bool:
        """Give the worker a connection; False where it cannot take it now."""
        try:
            send_fds(self._end, [b"c"], [connection.fileno()])
        except OSError:
            return False
        self.open += 1
        self._not_taken.append(self._clock.monotonic_ms())
        return True

    def hear(self) -> None:
        """Note what the worker says of its connections."""
        try:
            said = self._end.recv(1 << 16)
        except OSError:
            return
        for _ in range(min(said.count(TAKEN), len(self._not_taken))):
            self._not_taken.popleft()
        self.open = max(0, self.open - said.count(ENDED))
        if not said:
            asyncio.get_running_loop().remove_reader(self._end)

    def watch(self) -> None:
        """Hear what the worker says from now on."""
        asyncio.get_running_loop().add_reader(self._end, self.hear)

    def close(self) -> None:
        """Let go of this side."""
        if self._end.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._end)
            self._end.close()


class ConnectionSharing:
    """Accepts as long as there is a worker to give to; until then connections wait in the system's queue."""

    def __init__(self, listening: socket) -> None:
        self._listening = listening
        self._desks: list[Desk] = []
        self._held: socket | None = None
        self._accepting = False
        self._rest: asyncio.TimerHandle | None = None
        listening.settimeout(0)

    def add(self, desk: Desk) -> None:
        """Give to this worker as well."""
        desk.watch()
        self._desks.append(desk)
        self._accept()

    def remove(self, desk: Desk) -> None:
        """Give to it no more."""
        if desk in self._desks:
            self._desks.remove(desk)
        if not self._desks:
            self._pause()

    def close(self) -> None:
        """Listen no more."""
        self._desks.clear()
        self._pause()
        self._listening.close()
        if self._rest is not None:
            self._rest.cancel()
        if self._held is not None:
            self._held.close()

    def _accept(self) -> None:
        if self._desks and not self._accepting and self._rest is None:
            self._accepting = True
            asyncio.get_running_loop().add_reader(self._listening, self._take_some)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            asyncio.get_running_loop().remove_reader(self._listening)

    def _take_some(self) -> None:
        """Some, so that the supervisor stays able to answer under a storm of connections."""
        for _ in range(_AT_ONCE):
            try:
                connection = self._held or self._listening.accept()[0]
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("no connection can be taken for a moment: %s", error)
                self._wait_a_moment()
                return
            self._held = None
            if not self._share(connection):
                self._held = connection
                self._wait_a_moment()
                return

    def _share(self, connection: socket) -> bool:
        with suppress(OSError):  # the client may be gone already
            connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        for desk in sorted(self._desks, key=Desk.load):
            if desk.hand_over(connection):
                connection.close()
                return True
        return False

    def _wait_a_moment(self) -> None:
        self._pause()
        self._rest = asyncio.get_running_loop().call_later(_REST_S, self._go_on)

    def _go_on(self) -> None:
        self._rest = None
        if self._held is not None:
            self._take_some()
        self._accept()
