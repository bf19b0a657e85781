"""What a command writes, and who reads it."""

import subprocess
from pathlib import Path

from tests.acceptance.processes import COMMAND, environment


def test_a_reader_that_has_seen_enough_is_no_fault(project: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "schema"], cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        complaint = command.stderr.read()

    assert (command.returncode, complaint) == (141, b"")
