"""The supervisor over a real worker process, with a clock of the test's."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from socket import create_server

import pytest

from engine.operations.start import start_rules
from engine.settings import load_settings
from engine.testing import ManualClock
from engine.workers.briefing import Briefing, carried
from engine.workers.figures import FiguresOfAll
from engine.workers.sharing import ConnectionSharing
from engine.workers.supervisor import Supervisor
from tests.unit.operations.rules_project import Project

TIMEOUT_S = 60


class Watched:
    """A supervisor of one worker, and its clock."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        project = Project(directory)
        _, state, _ = start_rules(project.on_disk(self.clock), None, 0)
        assert state is not None
        environ = {"SQLITE_PATH": str(directory / "state.db"), "EGRESS_FILE_PATH": str(directory / "out")}
        settings = load_settings(None, environ)
        rules = carried(project.rules, state.active.contents)
        self.figures = FiguresOfAll(1, self.clock)
        self.supervisor = Supervisor(
            lambda number: Briefing(number, settings, project.rules, rules, demo=False),
            {},
            ConnectionSharing(create_server(("127.0.0.1", 0))),
            self.figures,
            self.clock,
            wanted=1,
            end_timeout_ms=30_000,
        )
        self.started = asyncio.Event()
        self.running = asyncio.create_task(self.supervisor.run(self.started.set))

    async def worker_other_than(self, pid: int) -> int:
        """Move the clock on until there is another worker; its process."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for worker in self.supervisor.serving():
                    if worker.pid != pid:
                        return worker.pid
                self.clock.advance(1_000)
                await asyncio.sleep(0.01)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(tmp_path)
    async with asyncio.timeout(TIMEOUT_S):
        await made.started.wait()
    yield made
    made.supervisor.stop()
    async with asyncio.timeout(TIMEOUT_S):
        assert await made.running == 0


async def test_a_worker_that_hangs_is_killed_and_replaced(watched: Watched) -> None:
    (hung,) = (worker.pid for worker in watched.supervisor.serving())
    os.kill(hung, signal.SIGSTOP)

    assert await watched.worker_other_than(hung) != hung
    assert watched.figures.deaths == 1
