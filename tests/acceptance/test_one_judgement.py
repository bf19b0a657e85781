"""What validates, starts; what does not, does not: the command, a start and a reload find the same in every bad ruleset."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.cli.main import main
from tests.acceptance.processes import ROOT, TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import write_rules

BAD = sorted((ROOT / "tests" / "data" / "rules" / "bad").iterdir())
STARTED = ("misspelt_key", "yaml_tab", "schema_missing", "same_id_in_two_files", "unset_variable")
"""A start is a process each, so only one of each kind is started; all are reloaded."""


def place(case: Path, rules: Path) -> None:
    shutil.rmtree(rules, ignore_errors=True)
    shutil.copytree(case, rules)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, httpx.Client]]:
    """A service that started with good rules, and takes others when it is asked to."""
    project = tmp_path_factory.mktemp("project")
    write_rules(project / "rules")
    with Service(project, RULES_RELOAD="manual") as service, httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
        yield project, client


def without_lines(findings: list[dict[str, object]]) -> list[dict[str, object]]:
    """Findings without the line that each is about, which a reload shows beside them."""
    return [{name: value for name, value in finding.items() if name != "excerpt"} for finding in findings]


def test_a_reload_finds_what_the_command_finds(
    running: tuple[Path, httpx.Client], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, client = running
    monkeypatch.chdir(project)
    for case in BAD:
        place(case, project / "rules")
        main(["validate", "--format", "json"])
        report = json.loads(capsys.readouterr().out)

        answer = client.post("/rules/reload", params={"dry_run": 1})

        assert (answer.status_code == 422) is bool(report["errors"]), case.name
        assert without_lines(answer.json()["findings"]) == report["findings"], case.name


@pytest.mark.parametrize("name", STARTED)
def test_a_start_says_what_the_command_says_and_does_not_start(tmp_path: Path, name: str) -> None:
    place(ROOT / "tests" / "data" / "rules" / "bad" / name, tmp_path / "rules")
    said = rulemill("validate", cwd=tmp_path)
    assert said.returncode == 1

    started = rulemill("serve", cwd=tmp_path, HTTP_PORT="0")

    assert started.returncode != 0
    assert said.stdout.decode() in started.stderr.decode() + started.stdout.decode()
