"""The Java programs that servers need.

In: the name of a program. Out: where it is. Rule of the file: what is there is used as it is; only root on a Debian machine
gets what is missing installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.servers.faults import CannotRun
from tools.servers.turns import turn

_PACKAGES: Final = {"java": "default-jre-headless", "mvn": "maven"}
_INSTALL_S: Final = 600


def program(name: str) -> str:
    """The path of `java` or `mvn`. Raises CannotRun where it is not there and cannot be installed."""
    found = _find(name)
    if found is None and _may_install():
        with turn("packages"):
            if _find(name) is None:
                _install(_PACKAGES[name])
        found = _find(name)
    if found is None:
        raise CannotRun(f"`{name}` is not on the path; on Debian and Ubuntu: apt-get install {_PACKAGES[name]}")
    return found


def _find(name: str) -> str | None:
    home = os.environ.get("JAVA_HOME", "")
    if name == "java" and home and (java := Path(home, "bin", "java")).exists():
        return str(java)
    return shutil.which(name)


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(package: str) -> None:
    print(f"installing {package} …", file=sys.stderr)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        subprocess.run(["apt-get", "-qq", *command], env=environ, stdout=sys.stderr, timeout=_INSTALL_S, check=False)
