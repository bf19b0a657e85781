"""Reloading: what is good comes into service in one step, what is not leaves everything as it is and says why."""

import asyncio
import gc
import logging
import weakref
from pathlib import Path

import pytest

from engine.operations.rules_state import state_as_json
from tests.unit.operations.rules_project import BROKEN, RULES, Project, running

PEOPLE = "version: 1\nenrichment: {sources: {person: {lookup: user, from: {file: {path: people.json}}}}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def test_a_changed_rule_decides_from_the_reload_on(project: Project) -> None:
    async with running(project) as service:
        assert await service.marks("a") == ["one"]
        project.mark("two")

        ended = await service.reloader.reload()

        assert await service.marks("b") == ["two"]
        assert ended.plan is not None
        assert ended.changed is not None
        assert ended.changed.filters.changed == ("small",)
        assert (service.state.accepted, service.state.successful, service.state.active.plan.id) == (1, True, service.ruleset)


async def test_rules_with_errors_leave_the_old_ones_in_service_and_their_findings_are_kept(project: Project) -> None:
    async with running(project) as service:
        before = service.ruleset
        project.filters.write_text(BROKEN)

        ended = await service.reloader.reload()

        assert ended.plan is None
        assert await service.marks("a") == ["one"]
        shown = state_as_json(service.state, "rules")
        assert shown["ruleset"] == before
        assert isinstance(shown["rejected"], dict)
        assert [finding["code"] for finding in shown["rejected"]["findings"]] == ["E201"]
        assert not service.state.successful
        assert any(before in reason and "E201" in reason for reason in service.state.reasons())


async def test_the_same_contents_again_are_a_success_and_change_nothing(project: Project) -> None:
    async with running(project) as service:
        generation = service.processor.stages.intake.generation
        text = project.filters.read_text()
        project.filters.write_text(BROKEN)
        await service.reloader.reload()
        project.filters.write_text(text)

        await service.reloader.reload()

        assert service.processor.stages.intake.generation is generation
        assert (service.state.successful, service.state.accepted, service.state.refused) == (True, 0, 1)


async def test_a_dry_run_says_what_would_change_and_changes_nothing(project: Project) -> None:
    async with running(project) as service:
        before = service.ruleset
        project.mark("two")
        good = await service.reloader.reload(dry_run=True)
        project.filters.write_text(BROKEN)
        bad = await service.reloader.reload(dry_run=True)

        assert good.changed is not None
        assert good.changed.filters.changed == ("small",)
        assert bad.rejected is not None
        assert bad.rejected.findings[0].code == "E201"
        assert (service.ruleset, service.state.successful, service.state.refused) == (before, True, 0)


async def test_a_look_reloads_only_where_something_changed_schemas_included(project: Project) -> None:
    async with running(project) as service:
        await service.reloader.look()
        first = service.state.last_attempt_ms
        assert service.state.accepted == 0
        project.schema.write_text('{"type": "object", "required": ["points"]}')
        await service.reloader.look()
        assert (service.state.accepted, service.state.last_attempt_ms >= first) == (1, True)
        outcome = await service.outcome("a", points=None)
        assert outcome is not None

        project.schema.unlink()
        await service.reloader.look()
        assert "E309" in service.state.rejected.reason
        project.schema.write_text('{"type": "object"}')
        await service.reloader.look()
        assert service.state.successful


async def test_the_log_is_told_once_of_the_same_bad_rules(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with running(project) as service:
        with caplog.at_level(logging.INFO):
            project.filters.write_text(BROKEN)
            for _ in range(3):
                await service.reloader.reload()
            project.filters.write_text(BROKEN + "x: 1\n")
            await service.reloader.look()

    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert ["did you mean `filters`?" in text for text in told] == [True, False, False, True]
    assert all(text.startswith("the rules were refused as before, ruleset ") for text in told[1:3])


async def test_a_directory_that_is_gone_is_refused_and_taken_again_when_it_is_back(project: Project) -> None:
    async with running(project) as service:
        project.rules.rename(project.rules.with_name("away"))
        await service.reloader.look()
        assert "there is no rules directory" in service.state.rejected.reason
        assert await service.marks("a") == ["one"]

        project.rules.with_name("away").rename(project.rules)
        await service.reloader.look()
        assert service.state.successful


async def test_a_source_that_cannot_be_opened_refuses_the_rules_until_it_can(project: Project) -> None:
    async with running(project) as service:
        (project.rules / "people.yaml").write_text(PEOPLE)
        await service.reloader.look()
        assert "people.json" in service.state.rejected.reason
        assert await service.marks("a") == ["one"]

        (project.rules / "people.json").write_text('{"u": {"plan": "premium"}}')
        await service.reloader.look()
        assert service.state.successful
        assert await service.marks("b") == ["one"]


async def test_a_source_that_did_not_change_is_the_same_one_after_a_reload(project: Project) -> None:
    (project.rules / "people.yaml").write_text(PEOPLE)
    (project.rules / "people.json").write_text("{}")
    async with running(project) as service:
        before = service.processor.stages.intake.generation
        project.mark("two")
        await service.reloader.reload()
        await service.processor.through_with(before)
        (project.rules / "people.json").unlink()  # opening it again would fail
        project.mark("three")
        await service.reloader.reload()

        assert service.state.successful


async def test_a_swapped_link_is_seen_as_configmaps_are_mounted(tmp_path: Path) -> None:
    project = Project(tmp_path)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for version, mark in (("..1", "one"), ("..2", "two")):
        project.mark(mark)
        (mounted / version).mkdir()
        for file in project.rules.iterdir():
            (mounted / version / file.name).write_text(file.read_text())
    (mounted / "..data").symlink_to("..1")
    for file in project.rules.iterdir():
        (mounted / file.name).symlink_to(Path("..data", file.name))
    project.rules = mounted
    async with running(project) as service:
        assert await service.marks("a") == ["one"]
        (mounted / "..new").symlink_to("..2")
        (mounted / "..new").rename(mounted / "..data")
        await service.reloader.look()

        assert await service.marks("b") == ["two"]
        assert sorted(Path(name).name for name in service.state.active.contents.files) == [
            "answer.json",
            "filters.yaml",
            "rules.yaml",
        ]


async def test_a_link_to_the_directory_itself_may_be_swapped_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    other = tmp_path / "next"
    other.mkdir()
    project.mark("two")
    for file in project.rules.iterdir():
        (other / file.name).write_text(file.read_text())
    project.mark("one")
    current = tmp_path / "current"
    current.symlink_to("rules")
    project.rules = current
    async with running(project) as service:
        assert await service.marks("a") == ["one"]
        (tmp_path / "new").symlink_to("next")
        (tmp_path / "new").rename(current)
        await service.reloader.look()
        assert await service.marks("b") == ["two"]


async def test_a_hundred_reloads_leave_one_generation_and_one_task(project: Project) -> None:
    async with running(project) as service:
        generations = [weakref.ref(service.processor.stages.intake.generation)]
        for number in range(100):
            if number % 3:
                project.mark(f"m{number}")
            else:
                project.filters.write_text(BROKEN + f"# {number}\n")
            await service.reloader.reload()
            generations.append(weakref.ref(service.processor.stages.intake.generation))
            if number % 10 == 1:
                assert await service.marks(str(number)) == [f"m{number if number % 3 else number - 1}"]
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()

        assert len({id(living) for one in generations if (living := one()) is not None}) <= 2
        assert [task.get_name() for task in asyncio.all_tasks() if "leaving" in task.get_name()] == []
        assert (service.state.accepted, service.state.refused) == (66, 34)


async def test_several_reloads_at_once_take_turns(project: Project) -> None:
    async with running(project) as service:
        project.mark("two")
        ended = await asyncio.gather(*(service.reloader.reload() for _ in range(5)))

        assert service.state.accepted == 1
        assert [one.plan is not None and one.plan.id for one in ended] == [service.ruleset] * 5


async def test_rules_that_are_renamed_but_mean_the_same_count_on(project: Project) -> None:
    async with running(project) as service:
        await service.marks("a")
        project.filters.rename(project.rules / "others.yaml")
        (project.rules / "rules.yaml").write_text("# moved\n" + RULES)
        await service.reloader.reload()
        await service.marks("b")

        assert service.processor.stages.intake.generation.counts.matched == [2]
