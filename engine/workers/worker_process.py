"""One worker as the supervisor sees it: a process, a channel, and a desk for its connections.

In: a briefing. Out: a process that serves, until it ends. Rule of the file: the process inherits two sockets and nothing else; when the supervisor is
gone, however it went, both are closed, and the worker knows.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from socket import socket, socketpair
from typing import Final, Self

from engine.errors import RulemillError
from engine.event import JsonObject
from engine.ports import Clock
from engine.workers.briefing import Briefing, written
from engine.workers.channel import Channel, Handler
from engine.workers.sharing import Desk

_COMMAND: Final = (sys.executable, "-P", "-m", "engine.cli.worker")
"""A fresh interpreter. `-P`: a directory `engine` where the service was started is not ours."""


class NotStarted(RulemillError):
    """The worker ended before it was ready, or was not ready in time. What it had to say itself is on standard error."""


def how_it_ended(code: int) -> str:
    """The end of a process, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


class WorkerProcess:
    """Made by `start`. `ruleset` and `digest` are those of the rules that it works under; `told` says that it is to end."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel, desk: Desk) -> None:
        self.number = number
        self.channel = channel
        self.desk = desk
        self.ruleset = ""
        self.digest = ""
        self.told = False
        self._process = process
        self._ended = asyncio.create_task(process.wait(), name=f"end of worker {number}")
        self._serving = asyncio.create_task(channel.serve(), name=f"channel of worker {number}")

    @classmethod
    async def start(cls, briefing: Briefing, handlers: Mapping[str, Handler], clock: Clock, *, timeout_ms: int) -> Self:
        """A worker that is ready; `handlers` answer its questions. Raises NotStarted where it ends before that, or takes longer."""
        ours, theirs = zip(*(socketpair() for _ in range(2)), strict=True)
        try:
            process = await _run(briefing, theirs)
        except BaseException:
            for end in ours:
                end.close()
            raise
        finally:
            for end in theirs:
                end.close()
        rules: JsonObject = {}
        ready = asyncio.Event()

        async def is_ready(content: JsonObject) -> JsonObject:
            rules.update(content)
            ready.set()
            return {}

        channel = await Channel.over(ours[0], {**handlers, "ready": is_ready})
        worker = cls(briefing.number, process, channel, Desk(ours[1], clock))
        becoming = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait([becoming, worker._ended], timeout=timeout_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        finally:
            becoming.cancel()
            if not ready.is_set():
                worker.kill()
                worker.desk.close()
        if not ready.is_set():
            code = await worker.ended()
            why = (
                f"was not ready within {timeout_ms} ms"
                if code == -signal.SIGKILL
                else f"{how_it_ended(code)} before it was ready"
            )
            raise NotStarted(f"worker {briefing.number} {why}")
        worker.works_under(rules)
        return worker

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it can still be spoken to."""
        return not self._serving.done()

    def works_under(self, rules: JsonObject) -> None:
        """Note which rules the worker says that it works under."""
        self.ruleset, self.digest = str(rules["ruleset"]), str(rules["digest"])

    async def figures(self, timeout_ms: int) -> JsonObject:
        """Its snapshot. Raises NoAnswer."""
        return await self.channel.ask("figures", timeout_ms=timeout_ms)

    def tell_to_end(self) -> None:
        """Have it take no more connections, see what it holds to its end, and go."""
        self.told = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    async def ended(self) -> int:
        """Return when the process is gone; its exit code, below 0 for the number of a signal."""
        code = await asyncio.shield(self._ended)
        await self._serving
        self.desk.close()
        return code

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


async def _run(briefing: Briefing, ends: "tuple[socket, ...]") -> asyncio.subprocess.Process:
    channel, connections = (end.fileno() for end in ends)
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        str(briefing.number),
        stdin=asyncio.subprocess.PIPE,
        pass_fds=(channel, connections),
        # The same places in the same order as here, wherever this command was found.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        # Ctrl-C is for the supervisor, which tells the workers.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.write(written(replace(briefing, channel=channel, connections=connections)))
    with suppress(OSError):  # it has ended already: whoever waits for it will see
        await process.stdin.drain()
    process.stdin.close()
    return process
