"""Commands as processes of their own, started as a user starts them."""

import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

TIMEOUT_S: Final = 60
ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = (sys.executable, "-m", "engine")
_LISTENING: Final = "rulemill: listening on "


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


def rulemill(*arguments: object, cwd: Path, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, input=stdin, env=environment(**variables), capture_output=True, timeout=TIMEOUT_S, check=False
    )


class Service:
    """`rulemill serve` in a directory, on a free port; it can be killed and started again over the same state."""

    def __init__(self, directory: Path, *arguments: str, **variables: str) -> None:
        self.directory = directory
        self.arguments = arguments
        self.variables = {"HTTP_PORT": "0", **variables}
        self.url = ""
        self._log = directory / "serve.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        """Return when it listens; `url` says where."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "serve", *self.arguments],
                cwd=self.directory,
                env=environment(**self.variables),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._first_line(self._process)
        if not line.startswith(f"{_LISTENING}http://"):
            self.kill()
            raise AssertionError(f"it said {line!r}\n{self.log}")
        self.url = line.removeprefix(_LISTENING).strip()

    def kill(self) -> None:
        """`kill -9`; on return the process is gone."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def interrupt(self) -> int:
        """SIGINT; returns the exit code."""
        return self._end(signal.SIGINT)

    def hang_up(self) -> None:
        """SIGHUP; it goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        with process:
            process.send_signal(number)
            try:
                return process.wait(TIMEOUT_S)
            finally:
                process.kill()

    @staticmethod
    def _first_line(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(TIMEOUT_S), "it neither listens nor ends"
        return process.stdout.readline()
