"""Rules are changed in all workers or in none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from socket import socketpair

import pytest

from engine.event import JsonObject
from engine.operations.in_service import NotTaken
from engine.operations.start import start_rules
from engine.rules.changes import Changes
from engine.rules.compiler import compile_rules
from engine.testing import ManualClock
from engine.workers.channel import Channel, NoAnswer
from engine.workers.rules_of_all import RulesOfAll
from tests.unit.operations.rules_project import Project


class Worker:
    """A worker at the other end of a channel, which is real. `problem` is what it answers when rules are staged."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.told = False
        self.ruleset = "before"
        self.problem = ""
        self.swaps = True
        self.staged: list[object] = []
        self.channel: Channel
        self.far: Channel

    @property
    def lives(self) -> bool:
        return not self._serving.done()

    def works_under(self, rules: JsonObject) -> None:
        self.ruleset = str(rules["ruleset"])

    async def connect(self, stack: AsyncExitStack) -> None:
        ours, theirs = socketpair()
        self.channel = await Channel.over(ours, {})
        self.far = await Channel.over(theirs, {"stage": self._stage, "swap": self._swap})
        self._serving = asyncio.create_task(self.channel.serve())
        stack.push_async_callback(asyncio.wait, [self._serving, asyncio.create_task(self.far.serve())])
        stack.callback(self.channel.close)

    async def _stage(self, rules: JsonObject) -> JsonObject:
        self.staged.append(rules["digest"])
        return {"problem": self.problem}

    async def _swap(self, wanted: JsonObject) -> JsonObject:
        if not self.swaps:
            raise NoAnswer("there is no memory left")
        return {"ruleset": "after", "digest": wanted["digest"]}


class Crew:
    def __init__(self, directory: Path) -> None:
        self.project = Project(directory)
        self.workers = [Worker(1), Worker(2)]
        self.replaced: list[tuple[int, str]] = []
        self.changed: list[Changes] = []
        _, state, _ = start_rules(self.project.on_disk(ManualClock()), None, 0)
        assert state is not None
        active = state.active
        self.rules = RulesOfAll(
            active.plan,
            active.contents,
            self.project.rules,
            ManualClock(),
            lambda: self.workers,
            lambda worker, why: self.replaced.append((worker.number, why)),
            self.changed.append,
        )

    async def change(self) -> None:
        self.project.mark("two")
        compiled = compile_rules(self.project.rules, {})
        assert compiled.plan is not None
        await (await self.rules.stage(compiled.plan, compiled.contents)).put_in_service()
        assert self.rules.plan is compiled.plan


@pytest.fixture
async def crew(tmp_path: Path) -> AsyncIterator[Crew]:
    async with AsyncExitStack() as stack:
        made = Crew(tmp_path)
        for worker in made.workers:
            await worker.connect(stack)
        yield made


async def test_a_change_reaches_all_workers_and_those_that_start_later(crew: Crew) -> None:
    before = crew.rules.carried
    await crew.change()

    assert [worker.ruleset for worker in crew.workers] == ["after", "after"]
    assert crew.rules.carried != before
    assert "mark: two" in str(crew.rules.carried["files"])
    assert [changed.filters.changed for changed in crew.changed] == [("small",)]


async def test_a_worker_that_cannot_take_the_rules_keeps_all_others_from_it(crew: Crew) -> None:
    before = crew.rules.plan, crew.rules.carried
    crew.workers[1].problem = "source `person` cannot be opened"

    with pytest.raises(NotTaken, match="worker 2: source `person` cannot be opened"):
        await crew.change()

    assert [worker.ruleset for worker in crew.workers] == ["before", "before"]
    assert (crew.rules.plan, crew.rules.carried) == before


async def test_a_worker_that_dies_meanwhile_does_not_keep_the_others_from_it(crew: Crew) -> None:
    crew.workers[1].far.close()
    async with asyncio.timeout(10):
        while crew.workers[1].lives:  # noqa: ASYNC110 - a socket's end sets it
            await asyncio.sleep(0)

    await crew.change()

    assert crew.workers[0].ruleset == "after"


async def test_a_worker_that_fails_at_the_last_step_is_replaced(crew: Crew) -> None:
    crew.workers[1].swaps = False

    await crew.change()

    ((number, why),) = crew.replaced
    assert (number, crew.workers[0].ruleset) == (2, "after")
    assert "there is no memory left" in why
