"""The table of commands, and what each of them loads."""

import signal
import subprocess
import sys
from textwrap import dedent

import pytest

from engine.cli.main import COMMANDS, main
from tests.acceptance.processes import environment

SERVICE_ONLY = ("aiohttp", "pydantic", "sqlalchemy", "starlette", "uvicorn", "watchfiles")


def loaded(command: str, *modules: str) -> str:
    """Which of these modules are there after a command was run in a process of its own."""
    code = f"import sys; from engine.cli.main import main\ntry: main({command})\nexcept SystemExit: pass\n"
    code += f"print([name for name in {modules!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_table_is_there_and_describes_its_arguments(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: rulemill {command} ")


def test_the_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    assert capsys.readouterr().out.endswith("".join(f"    {name:<10}{help}\n" for name, help in COMMANDS.items()))


def test_an_unknown_command_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sevre"])

    assert ended.value.code == 2
    assert "'validate'" in capsys.readouterr().err


def test_help_loads_no_rules_and_no_service() -> None:
    assert loaded("['--help']", "engine.rules.compiler", "engine.app", *SERVICE_ONLY) == "[]"


def test_a_check_of_rules_loads_no_service() -> None:
    assert (
        loaded("['validate', 'no-such-directory']", "engine.rules.compiler", "engine.app", *SERVICE_ONLY)
        == "['engine.rules.compiler']"
    )


def test_the_first_process_of_a_container_ends_at_sigterm_as_any_other_does() -> None:
    code = """
        import os, signal
        pid = os.getpid()
        os.getpid = lambda: 1
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the system has it for such a process
        from engine.cli.ending import end_at_sigterm
        end_at_sigterm()
        os.kill(pid, signal.SIGTERM)
        signal.pause()
    """
    ended = subprocess.run([sys.executable, "-c", dedent(code)], env=environment(), timeout=60, check=False)

    assert ended.returncode == 128 + signal.SIGTERM
