"""Damaged and hostile rule files: the command ends with findings, within its bounds of time, memory and output."""

import os
import random
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.rules.loader import MAX_FILE_BYTES
from tests.acceptance.processes import COMMAND, environment

CPU_S = 60
MEMORY_BYTES = 3 * 1024**3
HEAD = "version: 1\nevents: {type: k, time: t, types: {a: {}}}\n"


def many(line: str) -> str:
    """As many of the line, numbered, as a file may hold."""
    return "".join(line.format(number) for number in range((MAX_FILE_BYTES - 1_000) // (len(line.format(0)) + 8)))


HOSTILE: dict[str, Callable[[], str | bytes]] = {
    "brackets": lambda: "a: " + "[" * 1_000_000,
    "braces": lambda: "{" * 1_000_000,
    "unknown keys": lambda: "version: 1\n" + many("filtres{}: 1\n"),
    "unknown operators": lambda: HEAD + "filters:\n" + many(" f{0}: {{when: {{x: {{lts{0}: 1}}}}, then: {{alow: {{}}}}}}\n"),
    "unknown names": lambda: HEAD + "filters:\n" + many(" f{0}: {{when: {{use: c{0}}}, then: {{route: {{to: r{0}}}}}}}\n"),
    "the same key": lambda: HEAD + "filters:\n" + "  a: 1\n" * 100_000,
    "comments that allow": lambda: HEAD + "# rulemill: allow W601 because x\n" * 30_000,
    "a comment of blanks": lambda: HEAD + "# rulemill: allow " + " " * 900_000 + "because\n",
    "aliases of aliases": lambda: "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    "no text": lambda: random.Random(1).randbytes(1_000_000),
    "too large": lambda: "x" * 5_000_000,
    "one long line": lambda: HEAD + "lists: {l: ['" + "a" * 900_000 + "']}\nfilter: 1\n",
    "tabs": lambda: HEAD + "filters:\n" + "\tx: 1\n" * 100_000,
}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_in_a_file_the_command_ends_with_findings(tmp_path: Path, name: str) -> None:
    written = HOSTILE[name]()
    (tmp_path / "rules.yaml").write_bytes(written.encode() if isinstance(written, str) else written)

    ended = subprocess.run(
        [*COMMAND, "validate", str(tmp_path), "--fail-on", "warning"],
        env=environment(),
        capture_output=True,
        timeout=CPU_S * (os.cpu_count() or 1),
        preexec_fn=limited,  # this process has no threads that hold locks
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"[E" in ended.stdout or b"[W" in ended.stdout
    assert len(ended.stdout) < 100_000
