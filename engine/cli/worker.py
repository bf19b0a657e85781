"""One of several workers: a process that the supervisor starts, and nobody else.

In: a briefing on standard input, and two sockets. Out: an engine that serves the connections it is handed. Rule of the file: it ends when it is told to,
or when the supervisor is gone, and sees what it holds to its end in both cases.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from socket import socket
from typing import Any

import uvloop

from engine.app import SOURCE_KINDS
from engine.cli.ending import ended, leave
from engine.cli.serve import Rules, open_parts, run_engine, uvicorn_config
from engine.clock import SystemClock
from engine.operations.logs import set_up_logs
from engine.operations.observe import observe
from engine.operations.start import start_rules
from engine.settings import Settings
from engine.workers.briefing import Briefing, arrived, read
from engine.workers.channel import Channel, NoAnswer
from engine.workers.given_rules import GivenRules
from engine.workers.handed import HandedServer
from engine.workers.member import Membership, WorkerAnswers

_READY_TIMEOUT_MS = 60_000
_RELOAD_TIMEOUT_MS = 120_000


def main() -> int:
    """Serve until told to end; 0 when everything taken was seen to its end, 2 where it could not start."""
    briefing = read(sys.stdin.buffer.read())
    set_up_logs(briefing.settings.log, briefing.number)
    if briefing.settings.log.level != "debug":
        logging.getLogger("rulemill.rules").setLevel(logging.WARNING)  # the supervisor says once which rules came into service
    return ended(lambda: _run(briefing))


def _run(briefing: Briefing) -> int:
    given = GivenRules(briefing.directory, os.environ, SOURCE_KINDS, SystemClock())
    given.give(arrived(briefing.directory, briefing.rules))
    mark, state, report = start_rules(given, None, SystemClock().now_ms())
    if state is None:
        sys.stderr.write(report)
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(briefing, given, Rules(given, mark, state)))


async def _serve(briefing: Briefing, given: GivenRules, rules: Rules) -> int:
    settings, member = _without_copy(briefing.settings), Membership()
    async with AsyncExitStack() as stack:
        connections = stack.enter_context(socket(fileno=briefing.connections))
        parts = await stack.enter_async_context(open_parts(settings, rules, member))
        server = HandedServer(uvicorn_config(settings, parts), connections)
        answers = WorkerAnswers(briefing.number, partial(observe, parts.live), given, parts.reloader, parts.shadow)
        handlers = {"figures": answers.figures, "stage": answers.stage, "swap": answers.swap, "shadow": answers.shadow}
        member.channel = await Channel.over(socket(fileno=briefing.channel), handlers)
        stack.callback(member.channel.close)
        ending = _Ending(member.channel, answers, server)
        ending.on_signals()
        await member.channel.ask("ready", answers.works_under(), timeout_ms=_READY_TIMEOUT_MS)
        code = await run_engine(settings, parts, server, [], demo=briefing.demo)
        await answers.say_goodbye(member.channel)
        return code


def _without_copy(settings: Settings) -> Settings:
    """The supervisor looks after the copy of the last good rules, as it does after their directory."""
    return settings.model_copy(update={"rules": settings.rules.model_copy(update={"last_good": None})})


class _Ending:
    """Ends the server once, for whichever reason comes first."""

    def __init__(self, channel: Channel, answers: WorkerAnswers, server: HandedServer) -> None:
        self._channel = channel
        self._answers = answers
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def on_signals(self) -> None:
        """End at SIGTERM, and when the supervisor is gone; SIGHUP has all workers' rules reloaded."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.begin)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._reload()))
        self._do(self._until_alone())

    def begin(self) -> None:
        """Take what was handed over by now, and stop."""
        if not self._ending:
            self._ending = True
            self._do(self._end())

    async def _until_alone(self) -> None:
        await self._channel.serve()
        self.begin()

    async def _end(self) -> None:
        await self._answers.leave(self._channel)
        await self._server.take_the_rest()
        self._server.stop()

    async def _reload(self) -> None:
        with suppress(NoAnswer):  # the supervisor has logged why, or is gone
            await self._channel.ask("reload", {"dry_run": False}, timeout_ms=_RELOAD_TIMEOUT_MS)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


if __name__ == "__main__":
    leave(main())
