"""The table of commands, and what each of them loads."""

import signal
import socket
import subprocess
import sys
from textwrap import dedent

import pytest

from engine import __version__
from engine.cli.main import COMMANDS, main
from engine.errors import SettingsInvalid
from engine.ingress.server import listen
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


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert (ended.value.code, capsys.readouterr().out) == (0, f"rulemill {__version__}\n")


def test_the_check_of_rules_has_the_name_of_its_own_command_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate-rules", "--help"])

    assert (ended.value.code, capsys.readouterr().out[:24]) == (0, "usage: rulemill validate")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "--port", "99999"], "argument --port: `99999` is no whole number from 0 to 65,535"),
        (["serve", "--port", "80x"], "argument --port: `80x` is no whole number from 0 to 65,535"),
        (["serve", "--workers", "0"], "argument --workers: `0` is no whole number from 1 to 256"),
        (["dlq", "replay", "--to", "localhost:8080"], "argument --to: `localhost:8080` is no URL; write `http://localhost:8080`"),
    ],
)
def test_an_argument_that_cannot_be_is_told_as_what_was_written(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert (ended.value.code, capsys.readouterr().err.endswith(f"{told}\n")) == (2, True)


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--event", "nosuch.json"]) == 2
    assert capsys.readouterr().err == "rulemill: `nosuch.json`: No such file or directory\n"


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(SettingsInvalid, match=f"port {port} of 127.0.0.1 is taken by another program; .*`--port`.*HTTP_PORT"):
            listen("127.0.0.1", port)


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(SettingsInvalid, match=r"this machine has no address `203.0.113.7`; .*`--host`.*HTTP_HOST"):
        listen("203.0.113.7", 0)
