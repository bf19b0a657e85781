"""A service of its own for a measurement.

In: an environment and rules. Out: where it listens, and its process id. Rule of the file: it is gone at the end, whatever happens.
"""

import os
import selectors
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from engine.errors import RulemillError

_LISTENING: Final = "rulemill: listening on "
_STARTED_WITHIN_S: Final = 60
_ENDED_WITHIN_S: Final = 30


class NotStarted(RulemillError):
    """The service does not listen. The text holds the end of what it said."""


class Address(NamedTuple):
    """Where a service listens, and which process it is."""

    host: str
    port: int
    pid: int


@contextmanager
def started(directory: Path, rules: Path, variables: Mapping[str, str]) -> Iterator[Address]:
    """A service that works in `directory`. Raises NotStarted."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "serve.log"
    environ = {**os.environ, "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "RULES_RELOAD": "manual", **variables}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "engine", "serve", "--rules", str(rules)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=directory, env=environ, stdout=subprocess.PIPE, stderr=said, text=True)  # noqa: S603 - it is this program
    try:
        url = urlsplit(_url(process, log))
        yield Address(str(url.hostname), int(url.port or 0), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _url(process: "subprocess.Popen[str]", log: Path) -> str:
    line = ""
    if process.stdout is not None:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline().strip() if selector.select(_STARTED_WITHIN_S) else ""
    if not line.startswith(_LISTENING):
        raise NotStarted(f"the service to measure does not start; it says:\n{log.read_text(errors='replace')[-2000:].strip()}")
    return line.removeprefix(_LISTENING)
