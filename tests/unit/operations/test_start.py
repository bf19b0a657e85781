"""What the service starts with, and the copy of the last good rules."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.operations.start import Start, start_rules
from engine.rules.snapshot import RulesUnreadable
from engine.testing import ManualClock
from tests.unit.operations.rules_project import BROKEN, Project, running


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "state" / "last-good.json"


def kept(copy: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(copy.read_text())
    return content


def start(project: Project, copy: Path | None) -> Start:
    clock = ManualClock()
    return start_rules(project.on_disk(clock), copy, clock.now_ms())


def test_broken_rules_without_a_copy_start_nothing(project: Project, copy: Path) -> None:
    project.filters.write_text(BROKEN)

    for last_good in (None, copy):
        started = start(project, last_good)
        assert started.state is None
        assert "did you mean `filters`?" in started.report
        assert not copy.exists()


def test_broken_rules_start_with_the_last_good_ones_schemas_included(project: Project, copy: Path) -> None:
    good = start(project, copy).state
    project.filters.write_text(BROKEN)
    project.schema.unlink()

    started = start(project, copy).state

    assert good is not None
    assert started is not None
    assert started.active.plan.id == good.active.plan.id
    assert started.active.plan.ruleset.events.types["answer"].schema == {"type": "object"}
    assert started.active.origin == "last_good"
    assert not started.successful
    assert started.rejected is not None
    assert {finding.code for finding in started.rejected.findings} == {"E201", "E309"}
    assert len(started.reasons()) == 1


def test_a_missing_directory_starts_with_the_last_good_rules_where_there_are_any(project: Project, copy: Path) -> None:
    project.rules.rename(project.rules.with_name("away"))
    with pytest.raises(RulesUnreadable, match="there is no rules directory"):
        start(project, copy)
    project.rules.with_name("away").rename(project.rules)
    start(project, copy)
    project.rules.rename(project.rules.with_name("away"))

    started = start(project, copy).state

    assert started is not None
    assert started.rejected is not None
    assert "there is no rules directory" in started.rejected.reason


@pytest.mark.parametrize("content", ["", "{}", '{"files": 3}', '{"files": {"a.yaml": 3}}', "\ufeff[", '{"files": {}}'])
def test_a_copy_that_cannot_be_used_is_as_none(project: Project, copy: Path, content: str) -> None:
    copy.parent.mkdir()
    copy.write_text(content)
    project.filters.write_text(BROKEN)

    assert start(project, copy).state is None


async def test_every_ruleset_that_comes_into_service_is_kept_and_broken_ones_are_not(project: Project, copy: Path) -> None:
    async with running(project, copy) as service:
        first = kept(copy)
        project.filters.write_text(BROKEN)
        await service.reloader.reload()
        assert kept(copy) == first

        project.mark("two")
        await service.reloader.reload()
        second = kept(copy)

        assert second["digest"] == service.processor.stages.intake.generation.plan.ruleset.digest != first["digest"]
        assert sorted(second["files"]) == ["../schemas/answer.json", "filters.yaml", "rules.yaml"]


async def test_a_copy_that_cannot_be_written_is_a_reason_and_no_fault(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running(project, tmp_path / "file" / "last-good.json") as service:
        project.mark("two")
        await service.reloader.reload()

        assert await service.marks("a") == ["two"]
        assert len(service.state.reasons()) == 1
        assert "no copy was kept" in service.state.reasons()[0]


async def test_a_service_on_the_copy_goes_over_to_the_directory_when_that_is_mended(project: Project, copy: Path) -> None:
    start(project, copy)
    text = project.filters.read_text()
    project.filters.write_text(BROKEN)
    async with running(project, copy) as service:
        assert service.state.active.origin == "last_good"
        assert await service.marks("a") == ["one"]
        project.filters.write_text(text)
        await service.reloader.look()

        assert (service.state.active.origin, service.state.reasons()) == ("directory", [])
