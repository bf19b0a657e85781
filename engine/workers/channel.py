"""Questions and answers between the supervisor and one worker, over a socket that both hold.

In: questions of either side. Out: answers, or why there is none. Rule of the file: whoever asks says how long it will wait; the end of the other
process ends all waiting at once.

A message is its length, in four bytes, and JSON.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from socket import socket
from typing import Any, Final, Self

import orjson

from engine.errors import RulemillError
from engine.event import JsonObject

Handler = Callable[[JsonObject], Awaitable[JsonObject]]
"""Answers a question. What it raises as a RulemillError is told to whoever asked."""

_LENGTH_BYTES: Final = 4
_log = logging.getLogger("rulemill.workers")


class NoAnswer(RulemillError):
    """The other process has not answered: it is gone, it took too long, or it could not; the text says which."""


class Channel:
    """One end. `serve` has to run for anything to be answered, on either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]) -> None:
        self._reader = reader
        self._writer = writer
        self._handlers = handlers
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[JsonObject]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._over = False

    @classmethod
    async def over(cls, end: socket, handlers: Mapping[str, Handler]) -> Self:
        """The channel over one end of a socket pair, which it owns from now on."""
        return cls(*await asyncio.open_connection(sock=end), handlers)

    async def serve(self) -> None:
        """Answer questions until the other side is gone."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
                self._take(orjson.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.close()

    async def ask(self, what: str, content: JsonObject | None = None, *, timeout_ms: int) -> JsonObject:
        """Ask, and return the answer. Raises NoAnswer."""
        if self._over:
            raise NoAnswer("the process is gone")
        number = next(self._numbers)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                self._send({"ask": number, "what": what, "content": content or {}})
                return await answer
        except TimeoutError:
            raise NoAnswer(f"there was no answer within {timeout_ms} ms") from None
        finally:
            del self._asked[number]

    def close(self) -> None:
        """Hang up; whoever waits for an answer is told."""
        self._over = True
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(NoAnswer("the process has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            task = asyncio.create_task(self._answer(message), name=f"answer {message['what']}")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        answer = self._asked.get(message["answer"])
        if answer is None or answer.done():
            return  # nobody waits for it any more
        if "error" in message:
            answer.set_exception(NoAnswer(message["error"]))
        else:
            answer.set_result(message["content"])

    async def _answer(self, question: dict[str, Any]) -> None:
        try:
            content = await self._handlers[question["what"]](question["content"])
        except RulemillError as error:
            self._send({"answer": question["ask"], "error": str(error)})
        except Exception as error:  # noqa: BLE001 - a bug in one answer must not cost the process, and is told to whoever asked
            _log.exception("`%s`, asked by another process, failed", question["what"])
            self._send({"answer": question["ask"], "error": f"it failed with {type(error).__name__}; the log says more"})
        else:
            self._send({"answer": question["ask"], "content": content})

    def _send(self, message: JsonObject) -> None:
        if not self._over:
            data = orjson.dumps(message)
            self._writer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
