"""A network that loses answers: what is asked reaches the server, what it answers may not come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Final

_PIECE: Final = 1 << 16


class Proxy:
    """Passes on connections to a server on this machine, and takes the TLS off them where it has a context for it.

    Every `nth` answer to a script is lost, and its connection cut; 0 loses none.
    """

    def __init__(self, port: int, tls: SSLContext | None = None) -> None:
        self._server_port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._answers = 0
        self.nth = 0
        self.lost = 0

    @property
    def address(self) -> str:
        """`host:port`."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)

    async def close(self) -> None:
        """Cut every connection."""
        assert self._server is not None
        self._server.close()
        for writer in self._connections:
            writer.close()
        await asyncio.gather(*self._connections.values())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = asyncio.create_task(self._pass_on(reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        asked: list[bytes] = []
        asking = asyncio.create_task(_copy(reader, to_server, asked))
        try:
            while piece := await from_server.read(_PIECE):
                if self._loses(b"".join(asked)):
                    self.lost += 1
                    break
                asked.clear()
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass  # either side may go at any time
        writer.close()
        to_server.close()
        await asking

    def _loses(self, asked: bytes) -> bool:
        self._answers += b"EVALSHA" in asked
        return bool(self.nth) and b"EVALSHA" in asked and self._answers % self.nth == 0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]) -> None:
    """Pass on what is asked, and note it in `asked`; where nothing more comes, the server is told so."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            asked.append(piece)
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy_to(port: int, tls: SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy to a port, on one of its own."""
    proxy = Proxy(port, tls)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
