"""When the rules directory is looked at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from engine.operations.rules_watch import RulesWatch
from engine.testing import ManualClock
from tests.unit.operations.rules_project import Project, Service, running

POLL_MS = 2_000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in a thread, or in the file system
            await asyncio.sleep(0.005)


@asynccontextmanager
async def watched(
    project: Project, *, poll_ms: int | None = POLL_MS, notices: bool = False
) -> AsyncIterator[tuple[Service, RulesWatch, ManualClock]]:
    clock = ManualClock()
    async with running(project) as service:
        watch = RulesWatch(service.reloader, clock, poll_ms=poll_ms, notices=notices)
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(0)
        yield service, watch, clock
        task.cancel()
        async with asyncio.timeout(10):
            with suppress(asyncio.CancelledError):
                await task


async def test_a_change_is_seen_at_the_next_look(project: Project) -> None:
    async with watched(project) as (service, _, clock):
        for mark in ("two", "three"):
            project.mark(mark)
            await until(lambda: clock.next_due_ms() is not None)
            clock.advance(POLL_MS)
            await until(lambda mark=mark: service.state.accepted == ["two", "three"].index(mark) + 1)  # type: ignore[misc]
            assert await service.marks(mark) == [mark]


async def test_with_notices_a_change_is_seen_before_the_next_look(project: Project) -> None:
    async with watched(project, notices=True) as (service, _, _):
        # Notices begin at some moment; until then changes are not told of.
        for number in range(1_000):
            project.mark(f"m{number}")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await until(lambda: service.state.accepted > 0)
                break
        assert service.state.successful


async def test_by_hand_nothing_is_looked_at_until_somebody_asks(project: Project) -> None:
    async with watched(project, poll_ms=None, notices=True) as (service, watch, clock):
        project.mark("two")
        clock.advance(10 * POLL_MS)
        assert await service.marks("a") == ["one"]
        assert clock.next_due_ms() is None

        watch.ask()
        await until(lambda: service.state.accepted == 1)
        assert await service.marks("b") == ["two"]


async def test_a_bug_in_one_look_does_not_end_the_next(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(project, poll_ms=None) as (service, watch, _):
        attempts = 0

        async def fail() -> None:
            nonlocal attempts
            attempts += 1
            raise RuntimeError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(service.reloader, "reload", fail)
            watch.ask()
            await until(lambda: attempts == 1)
        project.mark("two")
        watch.ask()
        await until(lambda: service.state.accepted == 1)
