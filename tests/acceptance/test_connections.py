"""Ten thousand connections at the same time, or as many as this machine lets a process have: they are answered, and one more is told so.

All of them are open; every tenth sends an event, which takes seconds enough. `RULEMILL_ALL_SEND=1` has each of them do so.
"""

import asyncio
import json
import os
import re
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import answer

WANTED: Final = 10_000
OTHER_FILES: Final = 500
AT_ONCE: Final = 500
SENDING: Final = 1 if os.environ.get("RULEMILL_ALL_SEND") else 10
ENOUGH_MEMORY_BYTES: Final = 600 << 20


@pytest.fixture
def connections() -> Iterator[int]:
    """How many this process can have; until the end it may open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED + OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED + OTHER_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield most - OTHER_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Connection:
    """One connection of a client, which stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, head: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and the body of an answer."""
        self._writer.write(f"{head} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n".encode())
        self._writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        answered = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", answered)
        assert length is not None
        return int(answered.split(" ", 2)[1]), await self._reader.readexactly(int(length[1]))

    def close(self) -> None:
        self._writer.close()


async def use_all(service: Service, number: int) -> tuple[Counter[int], tuple[int, bytes], int, int]:
    """Open them all, then have some of them send an event; what one more is told; how the health is; and the memory of the service meanwhile."""
    host, port = service.url.removeprefix("http://").split(":")
    turn = asyncio.Semaphore(AT_ONCE)

    async def connect(stack: AsyncExitStack) -> Connection:
        async with turn:
            opened = Connection(*await asyncio.open_connection(host, int(port)))
        stack.callback(opened.close)
        return opened

    async def send(connection: Connection, one: int) -> int:
        async with turn:
            status, _ = await connection.ask("POST /events", json.dumps(answer(f"e{one}")).encode())
        return status

    async with asyncio.timeout(TIMEOUT_S), AsyncExitStack() as stack:
        opened = await asyncio.gather(*(connect(stack) for _ in range(number)))
        statuses = Counter(await asyncio.gather(*(send(connection, one) for one, connection in enumerate(opened[::SENDING]))))
        refused = await (await connect(stack)).ask("POST /events", b"{}")
        health, _ = await (await connect(stack)).ask("GET /healthz")
        _, metrics = await opened[0].ask("GET /metrics")
    memory = re.search(rb"^process_resident_memory_bytes (\S+)", metrics, re.MULTILINE)
    return statuses, refused, health, 0 if memory is None else int(float(memory[1]))


def test_every_connection_that_may_be_is_answered_and_one_more_is_told_so(project: Path, connections: int) -> None:
    with Service(
        project, HTTP_MAX_CONNECTIONS=str(connections), EGRESS_FILE_FSYNC="false", SQLITE_SYNCHRONOUS="normal"
    ) as service:
        statuses, (refused, problem), health, memory_bytes = asyncio.run(use_all(service, connections))

        assert service.terminate() == 0
    assert statuses == {202: len(range(0, connections, SENDING))}
    assert (refused, json.loads(problem)["code"]) == (503, "too_many_connections")
    assert health == 200
    assert memory_bytes < ENOUGH_MEMORY_BYTES
    assert "may open no more files" not in service.log
