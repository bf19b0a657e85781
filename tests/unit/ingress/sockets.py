"""The server over real sockets, and clients that send it bytes as they like."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import uvicorn

from engine.event import Event
from engine.ingress.access import AccessPolicy
from engine.ingress.http import create_app
from engine.ingress.server import listen, server_config
from engine.settings import HttpSettings
from tests.unit.ingress.services import DecodingService

ANYBODY: Final = AccessPolicy()
PATIENCE_S: Final = 5


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, object]

    @property
    def problem(self) -> tuple[int, object]:
        assert self.headers["content-type"] == "application/problem+json"
        assert self.body["status"] == self.status
        return self.status, self.body["code"]


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def send_no_more(self) -> None:
        self.writer.write_eof()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split(" ")[1]), headers, json.loads(body))

    async def is_closed(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


class Server:
    def __init__(self, port: int, service: DecodingService) -> None:
        self.port = port
        self.service = service
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return Connection(reader, writer)

    async def ask(self, data: bytes) -> Answer:
        connection = await self.connect()
        connection.send(data)
        return await connection.answer()

    async def next_event(self) -> Event:
        assert self.service.held is not None
        async with asyncio.timeout(PATIENCE_S):
            return await self.service.held.get()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def serving(
    policy: AccessPolicy = ANYBODY, service: DecodingService | None = None, **settings: object
) -> AsyncIterator[Server]:
    service = service or DecodingService()
    http = HttpSettings.model_validate({"port": 0, **settings})
    listening = listen(http.host, http.port)
    server = uvicorn.Server(server_config(create_app(service, policy=policy), http, 1))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    outside = Server(listening.getsockname()[1], service)
    try:
        yield outside
    finally:
        outside.close()
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            await running
