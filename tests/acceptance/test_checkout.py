"""A checkout whose environment holds what the engine needs, and not the engine itself: what `tools/demo` runs in."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

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


def test_the_demo_says_where_its_console_is(tmp_path: Path, checkout: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "HTTP_PORT": "0"}
    command = [sys.executable, "-m", "engine", "serve", "--demo", "--store", "memory", "--rules", str(checkout / "rules")]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        address, console = service.stdout.readline().split()[-1], service.stdout.readline()
        page = httpx.get(f"{address}/")
        head = httpx.head(f"{address}/")
        service.terminate()

    assert console.startswith(f"rulemill: the console is at {address}/")
    assert (page.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-length"] == str(len(page.content))
    assert head.headers["content-security-policy"] == page.headers["content-security-policy"]


def test_the_service_starts_where_the_engine_was_never_installed(tmp_path: Path, checkout: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "HTTP_PORT": "0", "EVENT_PROCESSOR_ENABLED": "false"}
    command = [sys.executable, "-c", _WITHOUT_ITSELF, "serve", "--rules", str(checkout / "rules")]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        first_line = service.stdout.readline()
        service.terminate()

    assert first_line.startswith("rulemill: listening on http://127.0.0.1:")
    assert service.returncode == 0
