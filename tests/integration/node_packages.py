"""Packages from npm, installed once as `tools/node` pins them."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.servers.turns import turn

TIMEOUT_S = 300


def node_packages(checkout: Path) -> Path:
    """The `node_modules` directory. Skips the test where there is no node or no way to the packages; in CI that is a failure."""
    pinned = checkout / "tools" / "node"
    lock = (pinned / "package-lock.json").read_bytes()
    home = checkout / ".venv" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    with turn("node"):
        if not (home / "complete").exists():
            _install(pinned, home)
    return home / "node_modules"


def _install(pinned: Path, home: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        _cannot("node and npm are not installed")
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(pinned / name, home)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    ended = subprocess.run(command, cwd=home, capture_output=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode:
        _cannot(f"npm could not install them: {ended.stderr.decode(errors='replace')[-500:]}")
    (home / "complete").touch()


def _cannot(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"packages of tools/node are needed in CI: {why}")
    pytest.skip(f"packages of tools/node are not here: {why}")
