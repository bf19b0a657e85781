"""The rules directory while somebody writes to it."""

import asyncio
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.operations.rules_on_disk import SETTLE_MS, Attempt, RulesOnDisk
from engine.testing import ManualClock
from tests.unit.operations.rules_project import BROKEN, FILTER, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def asleep(clock: ManualClock) -> None:
    """Return when somebody sleeps on this clock."""
    async with asyncio.timeout(5):
        while clock.next_due_ms() is None:  # noqa: ASYNC110 - threads end in their own time
            await asyncio.sleep(0.001)


async def test_a_half_written_file_is_waited_for(project: Project) -> None:
    clock = ManualClock()
    on_disk = project.on_disk(clock, SETTLE_MS)
    whole = project.filters.read_text()
    project.filters.write_text(BROKEN)
    compiling = asyncio.create_task(on_disk.compile(patient=True))
    await asleep(clock)
    project.filters.write_text(whole[: len(whole) // 2])
    clock.advance(SETTLE_MS)
    await asleep(clock)
    project.filters.write_text(whole)
    clock.advance(SETTLE_MS)
    await asleep(clock)
    assert not compiling.done()
    clock.advance(SETTLE_MS)

    attempt = await compiling

    assert attempt.compiled.plan is not None
    assert attempt.compiled.plan.ruleset.filters[0].id == "small"
    assert attempt.mark == attempt.compiled.plan.ruleset.digest


class Restless(RulesOnDisk):
    """A directory that somebody writes to while it is compiled."""

    changes = 0

    def compile_now(self) -> Attempt:
        attempt = super().compile_now()
        if self.changes:
            self.changes -= 1
            (self.directory / "filters.yaml").write_text(FILTER.replace("MARK", f"later{self.changes}"))
        return attempt


async def test_what_changed_while_it_was_compiled_is_compiled_again(project: Project) -> None:
    on_disk = Restless(project.rules, {}, ("file",), SystemClock(), 0)
    on_disk.changes = 3

    attempt = await on_disk.compile(patient=True)

    assert attempt.compiled.contents.files[str(project.filters)] == FILTER.replace("MARK", "later0").encode()


async def test_a_directory_that_never_stands_still_is_a_problem_and_no_endless_wait(project: Project) -> None:
    on_disk = Restless(project.rules, {}, ("file",), SystemClock(), 0)
    on_disk.changes = 1_000_000

    attempt = await on_disk.compile(patient=True)

    assert attempt.compiled.plan is None
    assert "leave them alone" in attempt.problem


def test_the_places_to_watch_are_those_of_the_rules_and_of_their_schemas(project: Project) -> None:
    on_disk = project.on_disk(ManualClock())
    on_disk.compile_now()

    assert on_disk.places == [project.rules, project.schema.parent]
