"""A request that was there as a whole, and its answer: what uvicorn's protocol has a cycle and a task for.

In: the connection, and one answer. Out: bytes to the client. Rule of the file: the connection looks at an exchange as it does at a cycle, so what it
decides by that (keeping alive, pipelined requests, stopping) holds here.
"""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_CLOSE: Final = (b"connection", b"close")
_NOBODY_WAITS: Final = asyncio.Event()


class Exchange:
    """Stands where uvicorn has a cycle: the members without a word of their own are those that its protocol reads and sets."""

    more_body = False
    message_event = _NOBODY_WAITS

    def __init__(
        self,
        transport: asyncio.Transport,
        headers: Iterable[tuple[bytes, bytes]],
        on_answered: Callable[[], None],
        *,
        keep_alive: bool,
    ) -> None:
        self.keep_alive = keep_alive
        self.disconnected = self.response_started = self.response_complete = False
        self._transport = transport
        self._headers = headers
        self._on_answered = on_answered

    def reply(self, response: Response) -> None:
        """Send the answer, where the client is still there, and let the connection go on."""
        self.response_started = self.response_complete = True
        if not self._transport.is_closing():
            self._transport.write(as_bytes(response, self._headers, close=not self.keep_alive))
            if not self.keep_alive:
                self._transport.close()
        self._on_answered()


def as_bytes(response: Response, headers: Iterable[tuple[bytes, bytes]], *, close: bool) -> bytes:
    """A whole answer, with `headers` before its own; `close` says in it that the connection ends."""
    lines = [_STATUS_LINES[response.status_code]]
    lines += [b": ".join(pair) for pair in (*headers, *response.raw_headers)]
    if close:
        lines.append(b": ".join(_CLOSE))
    return b"\r\n".join([*lines, b"", bytes(response.body)])
