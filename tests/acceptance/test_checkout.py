"""A checkout whose environment holds what the engine needs, and not the engine itself: what `tools/demo` runs in."""

import os
import subprocess
import sys
from pathlib import Path

_WITHOUT_ITSELF = """
import importlib.metadata, runpy, sys

found = importlib.metadata.Distribution.from_name.__func__

def hidden(cls, name):
    if name == "rulemill":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(cls, name)

importlib.metadata.Distribution.from_name = classmethod(hidden)
sys.argv = ["rulemill", *sys.argv[1:]]
runpy.run_module("engine", run_name="__main__")
"""


def test_the_service_starts_where_the_engine_was_never_installed(tmp_path: Path, checkout: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "HTTP_PORT": "0", "EVENT_PROCESSOR_ENABLED": "false"}
    command = [sys.executable, "-c", _WITHOUT_ITSELF, "serve", "--rules", str(checkout / "rules")]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        first_line = service.stdout.readline()
        service.terminate()

    assert first_line.startswith("rulemill: listening on http://127.0.0.1:")
    assert service.returncode == 0
