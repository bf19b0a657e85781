"""The files by which CI and hooks start `validate-rules`: of the form their readers ask for, and doing what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.acceptance.processes import rulemill

GOOD = "version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\n"
BLOCKS = {
    "github-workflow": "vendor.github-workflows",
    "gitlab-ci": "vendor.gitlab-ci",
}


def check_schema(name: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", name, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("block", BLOCKS)
def test_the_documented_pipelines_are_of_the_form_that_is_asked_for(checkout: Path, tmp_path: Path, block: str) -> None:
    page = (checkout / "docs" / "ci.md").read_text()
    found = re.search(rf"^```yaml {block}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found
    path = tmp_path / "pipeline.yml"
    path.write_text(found[1])

    check_schema(BLOCKS[block], path)


def test_the_action_is_of_the_form_that_is_asked_for(checkout: Path) -> None:
    check_schema("vendor.github-actions", checkout / "action.yml")


@pytest.mark.parametrize(
    ("rules", "fail_on", "code"),
    [(GOOD, "warning", 0), (GOOD + "lists: {a: [b]}\n", "warning", 1), (GOOD + "filter: {}\n", "error", 1)],
)
def test_the_action_validates_and_leaves_its_reports(checkout: Path, tmp_path: Path, rules: str, fail_on: str, code: int) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(rules)
    installed = tmp_path / "temp" / "rulemill" / "bin"
    installed.mkdir(parents=True)
    entry = "import sys; from engine.cli.validate_rules import main; sys.exit(main())"
    (installed / "validate-rules").write_text(f"#!{sys.executable}\n{entry}\n")
    (installed / "validate-rules").chmod(0o755)
    step = yaml.safe_load((checkout / "action.yml").read_text())["runs"]["steps"][1]
    inputs = {"RULES": "rules", "FAIL_ON": fail_on, "SARIF": "rules.sarif", "RUNNER_TEMP": str(tmp_path / "temp")}
    assert set(step["env"]) == {"RULES", "FAIL_ON", "SARIF"}
    environment = {**os.environ, **inputs, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "PYTHONPATH": str(checkout)}

    ended = subprocess.run(
        [shutil.which("bash") or "bash", "-e", "-c", step["run"]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == code, ended.stderr
    assert (b"::" in ended.stdout) is bool(code)
    assert (tmp_path / "rules.sarif").read_text().startswith("{")
    assert "in 1 file" in (tmp_path / "summary.md").read_text()


def test_the_hook_checks_the_directory_that_it_is_given(checkout: Path, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((checkout / ".pre-commit-hooks.yaml").read_text())
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(GOOD + "filter: {}\n")

    assert (hook["id"], hook["entry"], hook["pass_filenames"]) == ("validate-rules", "validate-rules", False)
    assert re.search(hook["files"], "rules/deep/a.yaml")
    assert not re.search(hook["files"], "docs/rules.md")
    assert rulemill("validate", *hook["args"], cwd=tmp_path).returncode == 1
