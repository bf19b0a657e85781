"""Apache Kafka on this machine: one broker or several, for tests.

In: a directory. Out: brokers that listen on 127.0.0.1, with their data in that directory. Rule of the file: nothing outlives `stop`.

    python -m tools.servers.kafka DIRECTORY [BROKERS]

runs them until it is interrupted.
"""

import shutil
import signal
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tools.servers.faults import CannotRun
from tools.servers.jars import fetched
from tools.servers.java import program
from tools.servers.ports import free_ports

_HERE: Final = Path(__file__).parent
_CACHE: Final = _HERE.parents[1] / ".cache" / "servers"
_START_S: Final = 60
_STOP_S: Final = 20
_JVM: Final = (
    "-Xmx256m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Djava.awt.headless=true",
)
USERS: Final = {"writer": "writer-secret", "stranger": "stranger-secret"}
"""Who may log in at the SASL listener, and with what. What each may do is for access lists to say; `writer` may do everything."""

_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:writer",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "2000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "replica.lag.time.max.ms": "3000",
    "controlled.shutdown.enable": "false",
}


class Broker:
    """One broker, a process of its own. It can be killed and started again over the same data."""

    def __init__(self, command: Sequence[str], directory: Path, config: Path) -> None:
        self._command = command
        self._config = config
        self._log = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said so far: warnings and errors."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; 0 where it does not run."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it; whether it is of use yet is for its cluster to say."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*self._command, "kafka.Kafka", self._config], stdout=log, stderr=log)

    def pause(self) -> None:
        """SIGSTOP: it answers nothing, and its connections stay open."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT, after `pause`."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9`; on return it is gone, and its data is as it was at that instant."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_STOP_S)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class Kafka:
    """A cluster of brokers, each of which is a controller as well. Used as a context, it is started and stopped.

    `bootstrap` is where everybody may do everything; `sasl_bootstrap` is for `USERS` (SASL_PLAINTEXT, PLAIN). `properties` are added to
    every broker's. Topics are made by whoever needs them: none comes into being by being named.
    """

    def __init__(self, directory: Path, *, brokers: int = 1, properties: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        free = free_ports(3 * brokers)
        self._ports = list(zip(free[::3], free[1::3], free[2::3], strict=True))
        self._properties = {**_PROPERTIES, **_replicated(brokers), **(properties or {})}
        self.brokers: list[Broker] = []
        self.bootstrap = ",".join(f"127.0.0.1:{plain}" for plain, _, _ in self._ports)
        self.sasl_bootstrap = ",".join(f"127.0.0.1:{sasl}" for _, sasl, _ in self._ports)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Make the brokers and return when all of them serve. Raises CannotRun where something is missing, or they do not start."""
        java = (program("java"), *_JVM, "-cp", f"{fetched(_HERE / 'kafka.lock', _CACHE)}/*")
        cluster = _identity()
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            for number in range(1, len(self._ports) + 1):
                config = self._configure(number)
                if number == 1:
                    _format(java, cluster, config)
                else:
                    _copy_format(self._directory / "broker-1", number, config.parent)
                self.brokers.append(Broker(java, config.parent, config))
            for broker in self.brokers:
                broker.start()
            self.wait()
            on_failure.pop_all()

    def wait(self) -> None:
        """Return when every broker that runs serves and knows of all the others. Raises CannotRun where that takes more than a minute."""
        deadline = time.monotonic() + _START_S
        running = [ports[0] for ports, broker in zip(self._ports, self.brokers, strict=True) if broker.running]
        for port in running:
            admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
            while _known_to(admin) != len(running):
                if time.monotonic() > deadline:
                    said = "\n".join(broker.log[-1000:] for broker in self.brokers)
                    raise CannotRun(f"the brokers of Kafka do not serve within {_START_S} s; they say:\n{said}")
                time.sleep(0.05)

    def mend(self) -> None:
        """Have all brokers serve again, whatever was done to them."""
        for broker in self.brokers:
            broker.go_on()
            if not broker.running:
                broker.start()
        self.wait()

    def stop(self) -> None:
        """Kill all brokers and remove their data."""
        for broker in self.brokers:
            broker.kill()
        self.brokers.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _configure(self, number: int) -> Path:
        plain, sasl, controller = self._ports[number - 1]
        listeners = f"PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl}"
        directory = self._directory / f"broker-{number}"
        directory.mkdir(parents=True)
        properties = {
            **self._properties,
            "node.id": str(number),
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": listeners,
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{ports[2]}" for n, ports in enumerate(self._ports, 1)),
            "log.dirs": str(directory / "data"),
            "listener.name.sasl.plain.sasl.jaas.config": _logins(),
        }
        config = directory / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        return config


def _known_to(admin: AdminClient) -> int:
    """How many brokers a broker knows of; 0 where it does not answer."""
    try:
        return len(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return 0


def _replicated(brokers: int) -> dict[str, str]:
    names = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {f"{name}.replication.factor": str(min(brokers, 3)) for name in names}


def _logins() -> str:
    users = " ".join(f'user_{name}="{secret}"' for name, secret in USERS.items())
    return f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"


def _format(java: Sequence[str], cluster: str, config: Path) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_START_S, check=False)
    if done.returncode:
        raise CannotRun(f"the storage of Kafka cannot be made: {done.stderr[-500:]}")


def _copy_format(first: Path, number: int, directory: Path) -> None:
    """The first broker's storage as another's: it names the broker and the directory, and is the same in everything else."""
    shutil.copytree(first / "data", directory / "data")
    properties = directory / "data" / "meta.properties"
    own = {"node.id": str(number), "directory.id": _identity()}
    lines = [line.partition("=") for line in properties.read_text().splitlines()]
    properties.write_text("".join(f"{name}{between}{own.get(name, value)}\n" for name, between, value in lines))


def _identity() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")


if __name__ == "__main__":
    with Kafka(Path(sys.argv[1]), brokers=int(sys.argv[2]) if len(sys.argv) > 2 else 1) as kafka:
        print(kafka.bootstrap, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
