"""How `rulemill process` ends where it is told to, where nothing more comes, and where something of it cannot be used."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.crews import wait_until
from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill
from tests.acceptance.samples import answer, ndjson, read_lines


@contextmanager
def reading_a_pipe(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose input comes through a pipe; its scratch files go to `scratch`."""
    (project / "scratch").mkdir()
    command = [*COMMAND, "process", "-", "--out", "out.ndjson"]
    variables = environment(TMPDIR=str(project / "scratch"))
    with subprocess.Popen(
        command,
        cwd=project,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - there is one thread
    ) as running:
        yield running
        running.kill()


def _hear_ctrl_c() -> None:
    """Whoever is started in the background of a script hears no Ctrl-C, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def send(running: "subprocess.Popen[bytes]", *names: str) -> None:
    assert running.stdin is not None
    running.stdin.write(ndjson([answer(name) for name in names]))
    running.stdin.flush()


def come_out(project: Path) -> list[object]:
    path = project / "out.ndjson"
    return [record["id"] for record in read_lines(path)] if path.exists() else []


def _is_out(project: Path, names: list[object]) -> bool:
    return come_out(project) == names


def test_what_comes_through_a_pipe_goes_out_before_more_comes(project: Path) -> None:
    with reading_a_pipe(project) as running:
        for number in (1, 2, 3):
            out: list[object] = [f"a{place}" for place in range(1, number + 1)]
            send(running, f"a{number}")
            wait_until(partial(_is_out, project, out), "the event to be out")

        running.communicate(timeout=TIMEOUT_S)

    assert running.returncode == 0
    assert come_out(project) == ["a1", "a2", "a3"]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_for_more_ends_when_it_is_told_to_and_leaves_nothing_of_its_own(
    project: Path, told: signal.Signals
) -> None:
    with reading_a_pipe(project) as running:
        send(running, "a1")
        wait_until(lambda: come_out(project) == ["a1"], "the event to be out")
        assert [*(project / "scratch").iterdir()]

        running.send_signal(told)
        assert running.wait(TIMEOUT_S) == 128 + told
        assert running.stderr is not None
        assert running.stderr.read() == b""

    assert [*(project / "scratch").iterdir()] == []


def test_aggregates_that_cannot_be_written_to_their_end_are_named(project: Path) -> None:
    ended = rulemill("process", "-", "--aggregates", "/dev/full", cwd=project, stdin=ndjson([answer("a1")]))

    assert ended.returncode == 2
    assert ended.stderr == b"rulemill: the aggregates cannot be written to `/dev/full`: No space left on device\n"


@pytest.mark.parametrize("command", [("process", "-", "--state", "state.db"), ("serve",)])
def test_a_file_that_is_no_state_is_named_and_left_alone(project: Path, command: tuple[str, ...]) -> None:
    (project / "state.db").write_text("my notes")

    ended = rulemill(*command, cwd=project, SQLITE_PATH="state.db", HTTP_PORT="0")

    assert ended.returncode == 2
    told = b"rulemill: state cannot be kept in `state.db`: file is not a database; name another file, or mend this one\n"
    assert ended.stderr == told
    assert (project / "state.db").read_text() == "my notes"
