"""Requests sent when they are due, whatever has become of the earlier ones.

In: whole requests and the time between two of them. Out: the answers, with how long each took from the moment the request was due. Rule of the
file: a service that falls behind is not waited for; what it makes others wait is part of their time.

The loop sleeps in `select`, whose timeout is finer than the millisecond of an event loop's timers, so that a request leaves when it is due.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from engine.errors import RulemillError

MAX_CONNECTIONS: Final = 500
"""`select` takes file descriptors below 1024."""

_SILENCE_S: Final = 30.0
_READ_BYTES: Final = 1 << 18
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class LoadFailed(RulemillError):
    """The service did not answer, or closed a connection in the middle of a request. The text says which."""


class Answer(NamedTuple):
    """`latency_s` counts from when the request was due, `answered_s` from when the first one was."""

    latency_s: float
    answered_s: float
    status: int
    body: bytes


@dataclass(slots=True, eq=False)
class _Connection:
    stream: socket.socket
    due_s: float = 0.0
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray | None = None

    def fileno(self) -> int:
        return self.stream.fileno()

    def begin(self, request: bytes, due_s: float) -> None:
        self.due_s, self.unsent, self.received = due_s, memoryview(request), bytearray()
        self.send()

    def send(self) -> None:
        try:
            self.unsent = self.unsent[self.stream.send(self.unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise LoadFailed(f"the service closed a connection in the middle of a request: {error}") from error

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body, where all of them are there by now."""
        try:
            data = self.stream.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LoadFailed(f"the service closed a connection before its answer: {error}") from error
        if not data or self.received is None:
            raise LoadFailed("the service closed a connection; its log may say why")
        self.received += data
        return _whole(self.received)


class OpenLoop:
    """Connections to a service that are kept alive. Used as a context, they are closed at the end.

    Raises OSError where the service cannot be reached.
    """

    def __init__(self, host: str, port: int, connections: int, clock_s: Callable[[], float] = time.perf_counter) -> None:
        self._clock_s = clock_s
        self._idle = deque(_connected(host, port) for _ in range(connections))
        self._busy: set[_Connection] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (*self._idle, *self._busy):
            connection.stream.close()

    def run(self, requests: Sequence[bytes], every_s: float) -> list[Answer]:
        """Send them `every_s` apart, and return the answers in the order in which they came. Raises LoadFailed."""
        answers: list[Answer] = []
        started_s, sent = self._clock_s(), 0
        while len(answers) < len(requests):
            now_s = self._clock_s()
            while self._idle and sent < len(requests) and (due_s := started_s + sent * every_s) <= now_s:
                connection = self._idle.popleft()
                connection.begin(requests[sent], due_s)
                self._busy.add(connection)
                sent += 1
            waits = bool(self._idle) and sent < len(requests)
            self._take_answers(answers, started_s, started_s + sent * every_s if waits else None)
        return answers

    def _take_answers(self, answers: list[Answer], started_s: float, until_s: float | None) -> None:
        """Read what has come, or wait for it: until then, or for as long as a service may be silent."""
        timeout_s = _SILENCE_S if until_s is None else max(0.0, until_s - self._clock_s())
        unsent = [connection for connection in self._busy if connection.unsent]
        readable, writable, _ = select.select(self._busy, unsent, (), timeout_s)
        if until_s is None and not readable and not writable:
            raise LoadFailed(f"the service has not answered {len(self._busy)} requests for {_SILENCE_S:g} s")
        for connection in writable:
            connection.send()
        for connection in readable:
            if found := connection.answer():
                now_s = self._clock_s()
                answers.append(Answer(now_s - connection.due_s, now_s - started_s, *found))
                self._busy.discard(connection)
                self._idle.append(connection)


def _connected(host: str, port: int) -> _Connection:
    stream = socket.create_connection((host, port), timeout=_SILENCE_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.settimeout(0)  # never wait
    return _Connection(stream)


def _whole(received: bytearray) -> tuple[int, bytes] | None:
    head_bytes = received.find(_END_OF_HEAD)
    if head_bytes < 0:
        return None
    head = bytes(received[:head_bytes]).lower()
    at = head.find(_LENGTH)
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    body = received[head_bytes + len(_END_OF_HEAD) :]
    return (int(head.split(b" ", 2)[1]), bytes(body)) if len(body) >= length else None
