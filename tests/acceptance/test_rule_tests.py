"""`rulemill test` as a process: what it prints, writes and exits with."""

import os
import pty
import subprocess
from pathlib import Path
from typing import Final

from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill
from tests.acceptance.samples import START_MS

ROBOT: Final = """\
version: 1
tests:
  - name: a robot is blocked
    event: {{kind: answer, id: a1, user: u1, at: {at}, agent: a robot, points: 1}}
    expect: {{status: blocked, filter: {filter}}}
"""

FAULTS: Final = """\
version: 1
tests:
  - name: nothing is taken while the egress is away
    steps:
      - egress: down
      - send: {{kind: answer, id: a1, user: u1, at: {at}, agent: a person, points: 1}}
      - expect: {{status: retry}}
"""


def write_test(project: Path, filter_id: str = "robots", file: str = "tests/robots.yaml") -> None:
    path = project / "rules" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(ROBOT.format(at=START_MS, filter=filter_id))


def test_tests_that_pass_exit_with_0(project: Path) -> None:
    write_test(project)
    (project / "rules" / "tests" / "faults.yaml").write_text(FAULTS.format(at=START_MS))

    ended = rulemill("test", cwd=project)

    assert ended.returncode == 0, ended.stdout.decode()
    assert ended.stdout.decode().startswith("2 passed in ")
    assert ended.stderr == b"", "what the engine says of a fault that the test asked for is no news"


def test_a_test_that_fails_exits_with_1_and_says_where_and_why(project: Path) -> None:
    write_test(project, "quick")

    ended = rulemill("test", "rules", "--junit", "junit.xml", cwd=project)

    assert ended.returncode == 1
    text = ended.stdout.decode()
    assert "FAILED  a robot is blocked\n  rules/tests/robots.yaml:3:11\n" in text
    assert '    filter: expected "quick", found "robots"\n' in text
    assert 'true     agent contains "robot": it is "a robot"' in text
    assert "0 passed, 1 failed" in text
    assert '<failure message="' in (project / "junit.xml").read_text()


def test_too_little_coverage_exits_with_1(project: Path) -> None:
    write_test(project)

    enough = rulemill("test", "--min-coverage", "25", cwd=project)
    more = rulemill("test", "--coverage", "--min-coverage", "25.1", cwd=project)

    assert enough.returncode == 0, enough.stdout.decode()
    assert more.returncode == 1
    text = more.stdout.decode()
    assert '  rules/rules.yaml:35:20: `agent contains "robot"` was never false\n' in text
    assert "coverage: 1 of 4 sides of tests, 25 %\n" in text
    assert "coverage is 25 %, below 25.1 %" in text


def test_rules_with_errors_exit_with_1_and_the_findings(project: Path) -> None:
    write_test(project)
    (project / "rules" / "more.yaml").write_text("version: 1\nfilters: {broken: {when: {took_ms: {lt: fast}}}}\n")

    ended = rulemill("test", cwd=project)

    assert ended.returncode == 1
    assert b"error[E" in ended.stdout
    assert b"passed" not in ended.stdout


def test_what_cannot_be_run_exits_with_2_and_one_line(project: Path) -> None:
    for arguments in (("test",), ("test", "nowhere"), ("test", "--min-coverage", "101"), ("test", "-k", "person")):
        ended = rulemill(*arguments, cwd=project)
        assert ended.returncode == 2, arguments
        assert ended.stderr.decode().splitlines()[-1].startswith("rulemill")


def test_colours_are_for_terminals_alone(project: Path) -> None:
    write_test(project, "quick")
    plain = rulemill("test", cwd=project)
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "test"], cwd=project, env=environment(), stdout=theirs) as running:
        os.close(theirs)
        shown = b""
        while chunk := read(ours):
            shown += chunk
        assert running.wait(TIMEOUT_S) == 1
    os.close(ours)

    assert b"\x1b[" not in plain.stdout
    assert b"\x1b[31mFAILED\x1b[0m" in shown


def test_mutants_that_no_test_notices_exit_with_1_and_where_all_are_noticed_with_0(project: Path) -> None:
    (project / "rules" / "tests.yaml").write_text(
        "version: 1\ntests:\n  - {name: one, event: {kind: answer, id: a, user: u, at: 1, agent: robot, points: 1}, now: 1, expect: {status: blocked}}\n"
    )

    ended = rulemill("test", "--mutate", "--junit", "junit.xml", cwd=project)
    refused = rulemill("test", "--mutate", "--mutate-seconds", "0", cwd=project)

    assert ended.returncode == 1, ended.stdout.decode()
    text = ended.stdout.decode()
    assert "SURVIVED  rules/rules.yaml:" in text
    assert " survived\n" in text
    assert "%|" not in ended.stderr.decode(), "a bar is for terminals alone"
    assert '<testsuite name="mutants"' in (project / "junit.xml").read_text()
    assert refused.returncode == 2


def read(terminal: int) -> bytes:
    """What a terminal has for us; nothing once its other side is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
