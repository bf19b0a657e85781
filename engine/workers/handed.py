"""Connections that the supervisor hands to this worker.

In: open files, over a socket. Out: connections that are served. Rule of the file: the supervisor is told of each that was taken, and of each that has ended.
"""

import asyncio
from collections.abc import Callable
from socket import recv_fds, socket
from typing import Any, Final

from engine.ingress.server import Server, ServerConfig
from engine.workers.sharing import ENDED, TAKEN

_MOST_FILES: Final = 16


class _OpenConnections(set[Any]):
    """The connections of a server, which calls `ended` when one has gone."""

    ended: Callable[[], None]

    def discard(self, element: object) -> None:
        super().discard(element)
        self.ended()


class HandedServer(Server):
    """A server that listens nowhere: it serves the connections that come over `end`."""

    def __init__(self, config: ServerConfig, end: socket) -> None:
        super().__init__(config)
        self._end = end
        self._opening: set[asyncio.Task[None]] = set()
        self._taken = 0
        self._told_taken = self._told_ended = 0
        self.server_state.connections = connections = _OpenConnections()
        connections.ended = self._tell
        end.settimeout(0)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to take connections."""
        del sockets
        await super().startup(sockets=[])
        asyncio.get_running_loop().add_reader(self._end, self._take)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: tell what the supervisor could not be told when it happened."""
        self._tell()
        return await super().on_tick(counter)

    async def take_the_rest(self) -> None:
        """Take what was handed over by now, and nothing after it."""
        self._take()
        asyncio.get_running_loop().remove_reader(self._end)
        if self._opening:
            await asyncio.wait(self._opening)

    def _take(self) -> None:
        while True:
            try:
                data, files, _, _ = recv_fds(self._end, 1, _MOST_FILES)
            except OSError:
                break
            if not data:
                asyncio.get_running_loop().remove_reader(self._end)
                break
            self._taken += 1
            for file in files:
                opening = asyncio.create_task(self._open(socket(fileno=file)))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)
        self._tell()

    async def _open(self, connection: socket) -> None:
        loop = asyncio.get_running_loop()
        connection.settimeout(0)
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # the client has gone meanwhile
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state={}, _loop=asyncio.get_running_loop())

    def _tell(self) -> None:
        ended = self._taken - len(self.server_state.connections) - len(self._opening)
        said = TAKEN * (self._taken - self._told_taken) + ENDED * max(0, ended - self._told_ended)
        if not said:
            return
        try:
            sent = said[: self._end.send(said)]
        except OSError:
            return
        self._told_taken += sent.count(TAKEN)
        self._told_ended += sent.count(ENDED)
