"""One connection of a client: how many there may be, how long a request may take to arrive, how large its head may be.

In: bytes of a client. Out: requests for the application; what never becomes one is answered here, as a problem. Rule of the file: no
client holds a connection or memory for longer, or more of it, than the bounds say.

The HTTP itself is uvicorn's; here is what its protocol leaves open.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from httptools import HttpParserUpgrade, HttpRequestParser
from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from engine.ingress.exchange import Exchange, as_bytes
from engine.ingress.responses import problem
from engine.ingress.whole_requests import WholeRequests

SPARE_CONNECTIONS: Final = 64
"""How many more connections than the bound are listened to, shortly, so that questions for the health of the service are answered."""

_SPARE_TIMEOUT_S: Final = 1.0
_LINGER_S: Final = 1.0
_HEALTH: Final = (b"/healthz", b"/readyz")


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """`read_timeout_s` is for a request to arrive as a whole, from its first byte; `keep_alive_s` for a connection without one."""

    max_connections: int
    max_head_bytes: int
    read_timeout_s: float
    keep_alive_s: float


class BoundedConnection(HttpToolsProtocol):
    """A connection within bounds. `leaving` has those of all connections that are answered for good and about to be closed.

    Requests that suit `whole`, and are there when their head is, go there; all others to uvicorn's application.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: ConnectionBounds,
        leaving: set[asyncio.Protocol],
        whole: WholeRequests | None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = bounds.keep_alive_s  # type: ignore[assignment] # a timer takes parts of seconds
        self._bounds = bounds
        self._leaving = leaving
        self._whole = whole
        self._pieces: list[bytes] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._refused: Response | None = None
        self._again: bytes | None = None
        self._data = b""
        self._bytes_in_between = 0
        self._arriving = self._got_on = self._may_be_large = self._is_spare = self._is_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a server gives no other
        """Refuse the connection where there are too many; else wait for a request, for as long as an idle one may."""
        super().connection_made(transport)
        others = len(self.connections) - 1
        self._is_spare = others >= self._bounds.max_connections
        if others >= self._bounds.max_connections + SPARE_CONNECTIONS:
            self._end_with(_too_many_connections())
            return
        timeout_s = _SPARE_TIMEOUT_S if self._is_spare else self.timeout_keep_alive
        self.timeout_keep_alive_task = self.loop.call_later(timeout_s, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without requests; one too many is told why."""
        if self._is_spare and not self._is_ended():
            self._end_with(_too_many_connections())
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._leaving.discard(self)
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in. A request that is not whole by now has a deadline."""
        if self._is_ended():
            return
        self._arriving, self._got_on = True, False
        self._may_be_large = self._bytes_in_between + len(data) > self._bounds.max_head_bytes
        self._feed(data)
        if self._is_ended():
            return
        if self._pieces is not None:
            self._give_to_application(self._pieces)
        self._bytes_in_between = 0 if self._got_on else self._bytes_in_between + len(data)
        if self._refused is not None:
            self._end_with(self._refused)
        elif self._bytes_in_between > self._bounds.max_head_bytes:
            self._end_with(self._head_too_large())
        elif self._arriving and self._deadline is None:
            self._set_deadline()

    def eof_received(self) -> None:
        """The client sends nothing more: where a request is not there as a whole, that is told. The transport closes when that is out."""
        if self._arriving and not self._is_ended() and not self._is_waited_for():
            self._end_with(
                problem(400, "incomplete_body", "the connection ended before the request did; send it again, as a whole")
            )

    def on_message_begin(self) -> None:
        """A request begins."""
        self._arriving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there: give the request to the application, or refuse it."""
        self._got_on = True
        if self._is_passed_over():
            return
        self._refused = self._refusal()
        if self._refused is None:
            if self._may_be_whole():
                self._pieces = []
            else:
                self._give_to_application()

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self._got_on = True
        if self._is_passed_over():
            return
        if self._pieces is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._is_passed_over():
            self._arriving, self._got_on = False, True
            self._clear_deadline()
            if self._pieces is None:
                super().on_message_complete()
                self._wait_for_more_if_answered()
            else:
                self._take_whole(self._pieces)

    def on_response_complete(self) -> None:
        """A request is answered; the one behind it has all of its time from here."""
        super().on_response_complete()
        if self._deadline is not None and not self._is_over:
            self._clear_deadline()
            self._set_deadline()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn calls it
        """Answer what is not HTTP."""
        self._end_with(problem(400, "not_http", "this is not a request of HTTP/1.1"))

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol as if it did not: the parser has stopped at the end of its head.

        Some clients offer HTTP/2 with each request, and have a body in it.
        """
        stopped = sys.exception()
        rest = self._data[stopped.args[0] :] if isinstance(stopped, HttpParserUpgrade) else b""
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        head += [b": ".join(header) for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self._again = b"\r\n".join([*head, b"", rest])

    def _is_ended(self) -> bool:
        return self._is_over or self.transport.is_closing()

    def _feed(self, data: bytes) -> None:
        self._again = data
        while self._again is not None:
            self._data, self._again = self._again, None
            super().data_received(self._data)
        self._data = b""

    def _is_passed_over(self) -> bool:
        """Whether what the parser sees is not for the application: a refused request, or one that is going to be read again."""
        return self._refused is not None or (self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT")

    def _may_be_whole(self) -> bool:
        """Whether the request is for `whole`, should its body be there: there is no other before it, and the client takes its answers."""
        if (
            self._whole is None
            or self._is_spare
            or self._is_waited_for()
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return False
        return self._whole.suits(self.parser.get_method(), self.url, self.headers)

    def _take_whole(self, pieces: list[bytes]) -> None:
        self._pieces = None
        self._unset_keepalive_if_required()  # an earlier request of these same bytes may be answered by now
        if self._whole is not None:
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            exchange = Exchange(
                self.transport, self.server_state.default_headers, self.on_response_complete, keep_alive=keep_alive
            )
            self.cycle = exchange  # type: ignore[assignment] # it stands for one
            headers, self.headers = self.headers, []
            # Nobody asks for the scope while the request waits, which may be long for thousands of them.
            self.scope.clear()  # type: ignore[attr-defined] # it is a dict, typed by what is in it
            self._whole.take(headers, b"".join(pieces), exchange.reply)

    def _give_to_application(self, pieces: Sequence[bytes] = ()) -> None:
        """Begin the request that the parser is at, with what is there of its body."""
        self._pieces = None
        self._unset_keepalive_if_required()
        super().on_headers_complete()
        if self._is_spare:
            self.cycle.keep_alive = False
        for piece in pieces:
            super().on_body(piece)

    def _wait_for_more_if_answered(self) -> None:
        """A request may be answered before its body has come, which is idle time from here; uvicorn counts it from the answer, and no more once bytes come."""
        if self.cycle.response_complete and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _refusal(self) -> Response | None:
        if self._may_be_large:
            size_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size_bytes > self._bounds.max_head_bytes:
                return self._head_too_large()
        if self._is_spare and self.url.partition(b"?")[0] not in _HEALTH:
            return _too_many_connections()
        return None

    def _head_too_large(self) -> Response:
        detail = (
            f"the head of the request has more than {self._bounds.max_head_bytes} bytes; send less in the address and the headers"
        )
        return problem(431, "head_too_large", detail)

    def _on_deadline(self) -> None:
        self._deadline = None
        if self._is_waited_for():
            # Nothing more is read before the earlier request is answered: that is not the client's delay.
            self._set_deadline()
        elif not self.transport.is_closing():
            detail = (
                f"the request was not there as a whole after {self._bounds.read_timeout_s:g} s; send it again, faster or in parts"
            )
            self._end_with(problem(408, "too_slow", detail))

    def _is_waited_for(self) -> bool:
        """Whether a whole request is with the application."""
        cycle: RequestResponseCycle | None = self.cycle
        return bool(self.pipeline) or (cycle is not None and not cycle.response_complete and not cycle.more_body)

    def _end_with(self, response: Response) -> None:
        """Answer in place of the application and close; whole requests are answered first, and then nothing more.

        What the client still sends is read for a moment, so that it gets to see the answer; where many do so, it is not.
        """
        self._is_over = True
        self._clear_deadline()
        if self._is_waited_for():
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not (cycle.more_body and cycle.response_started):
            self.transport.write(as_bytes(response, self.server_state.default_headers, close=True))
        self.connections.discard(self)
        if len(self._leaving) < SPARE_CONNECTIONS:
            self._leaving.add(self)
            self.transport.write_eof()
            self._deadline = self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _set_deadline(self) -> None:
        timeout_s = _SPARE_TIMEOUT_S if self._is_spare else self._bounds.read_timeout_s
        self._deadline = self.loop.call_later(timeout_s, self._on_deadline)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _too_many_connections() -> Response:
    return problem(503, "too_many_connections", "there are as many connections as this service takes; come again later")
