"""The jars of a server, as its lock lists them: fetched once from Maven Central, and checked by their sums at every use.

In: a lock, one jar a line: the sum (SHA-256) and `group:artifact:version`. Out: a directory with exactly those jars. Rule of the
file: a jar whose sum is not the listed one is never used.

    python -m tools.servers.jars org.apache.kafka:kafka_2.13:4.1.1 org.slf4j:slf4j-simple:1.7.36 > tools/servers/kafka.lock

prints a new lock for these and everything that they need at run time.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools.servers.faults import CannotRun
from tools.servers.java import program
from tools.servers.turns import turn

_FETCH_S: Final = 900
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rulemill</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY: Final = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>"
_NOTHING_ELSE: Final = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
_RESOLVED: Final = re.compile(r"^\s*([\w.-]+):([\w.-]+):jar:([\w.-]+):(?:compile|runtime)", re.MULTILINE)


class Jar(NamedTuple):
    """One line of a lock."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file(self) -> str:
        """What it is called in a directory of jars."""
        return f"{self.artifact}-{self.version}.jar"


def fetched(lock: Path, cache: Path) -> Path:
    """The directory with the jars of a lock, under `cache`; made where it is not there yet or has other jars.

    Raises CannotRun where they cannot be fetched, or are not what the lock says.
    """
    jars = _read(lock)
    wanted = cache / f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    with turn("jars"):
        if not wanted.exists():
            _fetch(jars, wanted)
    _check(jars, wanted)
    return wanted


def _fetch(jars: Sequence[Jar], wanted: Path) -> None:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.parent) as made:
        fresh = Path(made, "jars")
        _copy(jars, fresh, _NOTHING_ELSE)
        _check(jars, fresh)
        fresh.rename(wanted)


def _read(lock: Path) -> list[Jar]:
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(sha256, *name.split(":")) for sha256, name in lines]


def _check(jars: Sequence[Jar], directory: Path) -> None:
    for jar in jars:
        path = directory / jar.file
        if not path.exists():
            raise CannotRun(f"`{path}` is missing; remove `{directory}`, and it is fetched again")
        if _sum(path) != jar.sha256:
            raise CannotRun(f"`{path}` has the sum {_sum(path)}, and its lock says {jar.sha256}; remove `{directory}`")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(jars: Iterable[Jar], target: Path, exclusions: str) -> None:
    """Have Maven put these jars into `target`, and with no `exclusions` all that they need at run time."""
    dependencies = "".join(_DEPENDENCY.format(jar.group, jar.artifact, jar.version, exclusions) for jar in jars)
    _maven(dependencies, "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}")


def _maven(dependencies: str, *arguments: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        pom = Path(place, "pom.xml")
        pom.write_text(_POM.format(dependencies=dependencies))
        command = [program("mvn"), "--batch-mode", "--quiet", "--file", str(pom), *arguments]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
        except subprocess.TimeoutExpired:
            raise CannotRun(f"`mvn` has not fetched the jars within {_FETCH_S} s") from None
    if ended.returncode:
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if "[ERROR]" in line]
        raise CannotRun(f"`mvn` cannot fetch the jars: {said[0] if said else ended.stderr[-300:]}")


def _lock_of(names: Sequence[str]) -> str:
    """A lock for these and everything that they need at run time."""
    roots = [Jar("", *name.split(":")) for name in names]
    with tempfile.TemporaryDirectory() as place:
        _copy(roots, Path(place, "jars"), "")
        dependencies = "".join(_DEPENDENCY.format(jar.group, jar.artifact, jar.version, "") for jar in roots)
        _maven(dependencies, "dependency:list", "-DincludeScope=runtime", f"-DoutputFile={place}/list")
        jars = [Jar("", *match) for match in _RESOLVED.findall(Path(place, "list").read_text())]
        lines = sorted(f"{jar.group}:{jar.artifact}:{jar.version} {_sum(Path(place, 'jars', jar.file))}" for jar in jars)
    head = f"# python -m tools.servers.jars {' '.join(names)}\n"
    return head + "".join(f"{line.split()[1]} {line.split()[0]}\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(_lock_of(sys.argv[1:]))
