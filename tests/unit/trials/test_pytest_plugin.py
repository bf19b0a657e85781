"""Rule tests as items of pytest: in a project of its own, in a process of its own, as its users run it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.acceptance.processes import TIMEOUT_S, environment
from tests.unit.trials.samples import RULES, Body, answer, write_rules, write_tests

GOOD: Final[Body] = {"name": "a robot is blocked", "event": answer("a1", agent="robot"), "expect": {"status": "blocked"}}
BAD: Final[Body] = {"name": "a quick answer", "event": answer("a1", took_ms=1000), "expect": {"marks": ["quick"]}}
OTHERS: Final = ("anyio", "asyncio", "cacheprovider", "hypothesispytest", "randomly", "schemathesis", "xdist")
"""Plugins that its users may not have, and that take longer to start than the rest of a run."""

PLAIN: Final = "def test_plain():\n    pass\n"


def project(directory: Path, *tests: Body, ini: str = "") -> Path:
    """A project with rules, rule tests and a plain test."""
    rules = write_rules(directory / "rules")
    write_tests(rules, *(tests or (GOOD, BAD)), file="tests/answers.yaml")
    (directory / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (directory / "test_plain.py").write_text(PLAIN)
    return directory


def pytest_in(directory: Path, *arguments: str) -> tuple[int, str]:
    without = [part for plugin in OTHERS for part in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", *without, *arguments]
    ended = subprocess.run(command, cwd=directory, env=environment(), capture_output=True, timeout=TIMEOUT_S, check=False)
    return ended.returncode, ended.stdout.decode() + ended.stderr.decode()


def test_each_rule_test_is_an_item_and_fails_with_what_differs_and_why(tmp_path: Path) -> None:
    code, text = pytest_in(project(tmp_path), "rules/tests", "-v")

    assert code == 1
    assert "rules/tests/answers.yaml::a robot is blocked PASSED" in text
    assert "rules/tests/answers.yaml::a quick answer FAILED" in text
    assert "rules/tests/answers.yaml:" in text
    assert '  marks: expected ["quick"], found []\n' in text
    assert "false    took_ms lt 1000: it is 1000" in text
    assert "Traceback" not in text
    assert "bench.py" not in text, "the engine's own lines are not the author's business"


def test_the_ini_option_has_a_plain_pytest_collect_them(tmp_path: Path) -> None:
    code, text = pytest_in(project(tmp_path, GOOD, ini="rulemill_rules = rules"), "-v")

    assert (code, "2 passed" in text) == (0, True), text
    assert "a robot is blocked PASSED" in text


def test_one_test_is_chosen_as_any_item_is(tmp_path: Path) -> None:
    code, text = pytest_in(project(tmp_path), "rules/tests/answers.yaml::a robot is blocked")

    assert (code, "1 passed" in text) == (0, True), text


def test_whoever_does_not_ask_gets_none_and_the_engine_is_not_even_imported(tmp_path: Path) -> None:
    (project(tmp_path) / "conftest.py").write_text(
        "import sys\n\ndef pytest_sessionfinish():\n    print('ENGINE', sorted(n for n in sys.modules if n.startswith('engine')))\n"
    )

    code, text = pytest_in(tmp_path, "-s")

    assert (code, "1 passed" in text) == (0, True), text
    assert "ENGINE ['engine', 'engine.trials', 'engine.trials.pytest_plugin']" in text


def test_yaml_that_holds_no_rule_tests_is_left_alone(tmp_path: Path) -> None:
    rules = project(tmp_path, GOOD, ini="rulemill_rules = rules") / "rules"
    (rules / "notes.yaml").write_text("version: 1\nlists: {a: [b]}\n")

    code, text = pytest_in(tmp_path, "-v")

    assert (code, "2 passed" in text) == (0, True), text


def test_rules_with_errors_are_an_error_of_collection_with_the_findings(tmp_path: Path) -> None:
    rules = project(tmp_path) / "rules"
    (rules / "rules.yaml").write_text(RULES.replace("WAIT", "0ms").replace("lt: 1000", "lt: fast"))

    code, text = pytest_in(tmp_path, "rules/tests")

    assert code == 2
    assert "error[E210]" in text
    assert "Traceback" not in text
