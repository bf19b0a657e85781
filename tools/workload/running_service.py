"""`rulemill serve` in a directory of its own, with the default rules in numbered variants, for tools that put load on it.

In: a directory. Out: a service that listens. Rule of the file: a service is ended by whoever started it, whatever happens.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_LISTENING = "rulemill: listening on "
_STARTED_WITHIN_S = 60
_ENDED_WITHIN_S = 60
_FILTERS = Path("rules/filters.yaml")
_RAPID = "response_time_ms: {lt: 1000}"


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that listens at `url`. Its records, its state and its log are in `directory`."""

    directory: Path
    url: str
    process: asyncio.subprocess.Process

    @property
    def records(self) -> Path:
        """The file of its main topic."""
        return self.directory / "out/events.enriched.ndjson"

    def write_rules(self, number: int) -> bool:
        """Put the ruleset of this number on disk, which is another than all others; every third is broken. Returns whether it is sound."""
        sound = number % 3 != 2
        text = (ROOT / _FILTERS).read_text(encoding="utf-8")
        test = f"response_time_ms: {{lt: {1_000 + number}}}" if sound else f"response_time_ms: {{lesser: {number}}}"
        _replace(self.directory / _FILTERS, text.replace(_RAPID, test, 1))
        return sound

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), _ENDED_WITHIN_S)


@asynccontextmanager
async def running_service(directory: Path, **variables: str) -> AsyncIterator[RunningService]:
    """Start a service in an empty directory, with these variables in its environment; it is gone at the end."""
    for name in ("rules", "schemas"):
        shutil.copytree(ROOT / name, directory / name)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "HTTP_PORT": "0", "RULES_RELOAD": "manual", **variables}
    with (directory / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine", "serve", cwd=directory, env=environ, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        yield RunningService(directory, await _address(process, directory / "serve.log"), process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    line = (await asyncio.wait_for(process.stdout.readline(), _STARTED_WITHIN_S)).decode().strip()
    if not line.startswith(_LISTENING):
        sys.exit(f"the service did not start; `{log}` says why")
    return line.removeprefix(_LISTENING)


def _replace(path: Path, text: str) -> None:
    """Write the file so that nobody ever sees a part of it."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
