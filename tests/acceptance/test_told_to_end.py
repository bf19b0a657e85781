"""How `rulemill process`, and a replay, end where they are told to, where nothing more comes, and where something cannot be used."""

import json
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.crews import wait_until
from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill
from tests.acceptance.samples import START_MS, answer, ndjson, read_lines
from tests.acceptance.windows import emitting


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


def _have_little_room() -> None:
    """No file gets longer than this."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, 4_096))


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
        assert running.stdin is not None
        running.stdin.write(b"nonsense\n")
        running.stdin.flush()
        wait_until((project / "out.dead-letters.ndjson").exists, "its dead letter to be kept")

        running.communicate(timeout=TIMEOUT_S)

    assert running.returncode == 0
    assert come_out(project) == ["a1", "a2", "a3"]


@pytest.mark.parametrize("told_to_end", [True, False])
def test_the_end_of_the_input_closes_its_windows_and_being_told_to_end_does_not(project: Path, *, told_to_end: bool) -> None:
    emitting(project / "rules" / "rules.yaml")
    windows = project / "out.windows.ndjson"
    with reading_a_pipe(project) as running:
        send(running, "a1")
        wait_until(lambda: come_out(project) == ["a1"], "the event to be out")
        if told_to_end:
            running.send_signal(signal.SIGTERM)
            running.wait(TIMEOUT_S)
        else:
            running.communicate(timeout=TIMEOUT_S)

    told = [record["values"]["answers"] for record in read_lines(windows)] if windows.exists() else []
    assert told == ([] if told_to_end else [1])


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
        assert running.stderr.read() == b"rulemill: what was read is seen to its end; told once more, it ends at once\n"

    assert [*(project / "scratch").iterdir()] == []


def test_a_run_that_is_told_to_end_has_sent_nothing_that_the_next_one_sends_again(project: Path) -> None:
    lines = [answer(f"a{number}", at=START_MS) for number in range(100_000)]
    (project / "in.ndjson").write_bytes(ndjson(lines))
    records = project / "out.ndjson"
    command = ("process", "in.ndjson", "--out", "out.ndjson", "--state", "state.db")
    with subprocess.Popen([*COMMAND, *command], cwd=project, env=environment(), stderr=subprocess.DEVNULL) as running:
        wait_until(lambda: records.exists() and records.stat().st_size > 0, "an event to be out")
        running.terminate()

    out = come_out(project)
    assert running.returncode == 143
    assert 0 < len(out) < len(lines)

    ended = rulemill(*command, "--summary", "summary.json", cwd=project)

    summary = json.loads((project / "summary.json").read_bytes())
    assert ended.returncode == 0
    assert (summary["duplicate"], summary["accepted"]) == (len(out), len(lines) - len(out))
    assert len(come_out(project)) == len(lines)


def test_a_run_that_cannot_go_on_ends_when_it_is_told_so_twice(project: Path) -> None:
    (project / "in.ndjson").write_bytes(ndjson([answer(f"a{number}", at=START_MS) for number in range(100)]))
    command = [*COMMAND, "process", "in.ndjson", "--out", "out.ndjson", "--store", "memory"]
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_have_little_room,  # noqa: PLW1509 - there is one thread
    ) as running:
        assert running.stderr is not None
        assert "trying again until it works" in running.stderr.readline()
        running.terminate()
        assert "told once more, it ends at once" in running.stderr.readline()

        running.terminate()
        assert running.wait(TIMEOUT_S) == 143


@pytest.mark.parametrize("what", ["aggregates", "summary"])
def test_a_file_that_cannot_be_written_to_its_end_is_named(project: Path, what: str) -> None:
    ended = rulemill("process", "-", f"--{what}", "/dev/full", cwd=project, stdin=ndjson([answer("a1")]))

    assert ended.returncode == 2
    assert ended.stderr.decode() == f"rulemill: the {what} cannot be written to `/dev/full`: No space left on device\n"


@pytest.mark.parametrize("command", [("process", "-", "--state", "state.db"), ("serve",)])
def test_a_file_that_is_no_state_is_named_and_left_alone(project: Path, command: tuple[str, ...]) -> None:
    (project / "state.db").write_text("my notes")

    ended = rulemill(*command, cwd=project, SQLITE_PATH="state.db", HTTP_PORT="0")

    assert ended.returncode == 2
    told = b"rulemill: state cannot be kept in `state.db`: file is not a database; name another file, or mend this one\n"
    assert ended.stderr == told
    assert (project / "state.db").read_text() == "my notes"


def test_a_replay_that_is_told_to_end_leaves_nothing_of_its_own(project: Path) -> None:
    scratch = project / "scratch"
    scratch.mkdir()
    command = [*COMMAND, "replay", "-", "--rules", "rules"]
    with subprocess.Popen(command, cwd=project, env=environment(TMPDIR=str(scratch)), stdin=subprocess.PIPE) as running:
        wait_until(lambda: any(scratch.iterdir()), "the replay to begin")
        running.terminate()
        assert running.wait(TIMEOUT_S) == 143

    assert [*scratch.iterdir()] == []
