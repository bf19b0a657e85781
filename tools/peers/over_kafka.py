"""Engines over a Kafka, and ours, over the same events, in one run: whether they come to the same, and the processor time that they and their servers take.

In: the place where `run` has installed the other engine. Out: a table. Rule of the file: a Kafka and a Redis are started for it, and main topics and keys are new for each
run, while the routes of our rules name their own topics; what is filled before a run and what is read after it is not measured. As in `compare.py` the plain program's records and windows are the reference, and a run of a hundred events
is the start.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from engine.bench.started import started
from engine.bench.usage import processor_s
from engine.cli.ending import clear_up_at_sigterm, ended
from engine.operations.summary import write_aggregates
from engine.rules.compiler import compile_rules
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis import RedisStateStore
from tools.peers.compare import HERE, ROOT, Engine, Row, cost, options, results, table, tell, verdict
from tools.peers.topics import fill, read
from tools.peers.traffic import make
from tools.servers.faults import CannotRun
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer

_FEW: Final = 100
_RULES: Final = ROOT / "tools" / "workload" / "rules"
# Records of Quix Streams have the time of their events, which is long ago: the broker would remove them as too old, and it looks every five minutes.
_FOREVER: Final = {"log.retention.ms": "-1"}
_CLOSING: Final = b'"closing-'
# Quix Streams closes a window when something later comes. These do, after the last window; theirs stay open, and their records are left out. They are no later than
# that takes: what has expired by then is removed from the state, which is more work than the events are.
_LAST: Final = {
    "user_id": "user_00000",
    "timestamp": "2026-03-03T00:01:00.000Z",
    "user_agent": "Mozilla/5.0",
    "jurisdiction": "US-00",
    "score": 0.5,
}
CLOSING: Final = (
    {
        "event_type": "attempt",
        "event_id": "closing-attempt",
        "client_attempt_id": "closing-attempt",
        "item_id": "item_0000",
        "response_time_ms": 2_000,
        "is_correct": True,
        **_LAST,
    },
    {
        "event_type": "session",
        "event_id": "closing-session",
        "session_id": "closing-session",
        "items_attempted": 1,
        "duration_ms": 1_000,
        **_LAST,
    },
)


class Used(NamedTuple):
    """Seconds of processor time of a run: of the engine's processes, of Kafka and of Redis."""

    engine_s: float
    kafka_s: float = 0.0
    redis_s: float = 0.0


class Servers:
    """A Kafka and a Redis that run."""

    def __init__(self, kafka: Kafka, redis: RedisServer) -> None:
        self.bootstrap = kafka.bootstrap
        self.redis = redis.address
        with redis.client() as client:
            self._pids = {"kafka": kafka.brokers[0].pid, "redis": int(client.info("server")["process_id"])}

    def beside(self, work: Callable[[], float]) -> Used:
        """What the work says that it took, and what the servers took meanwhile."""
        before = processor_s(self._pids)
        engine_s = work()
        after = processor_s(self._pids)
        return Used(engine_s, *(after[name] - before[name] for name in ("kafka", "redis")))

    def egress(self, topic: str) -> dict[str, str]:
        """The settings that have our records go to a topic that is not there yet; of one partition, as all topics here are."""
        return {
            "EVENT_EGRESS": "kafka",
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_TOPIC": topic,
            "KAFKA_CREATE_TOPICS": "true",
            "KAFKA_PARTITIONS": "1",
        }


class Peer(NamedTuple):
    """A row: whether its results are in Rulemill's form, which servers it needs, and a run of it.

    A run takes events from a directory, and leaves `enriched.ndjson` and `aggregates.ndjson` in another one that is empty.
    """

    name: str
    run: Callable[[Path, Path], Used]
    is_ours: bool = False
    needs: tuple[str, ...] = ()


def quix(place: Path) -> Path:
    """The Python of Quix Streams in a place where it is installed."""
    return place / "quix" / "bin" / "python"


def peers(place: Path, servers: Servers) -> list[Peer]:
    """The plain program, the engine that is installed in a place, and ours."""
    return [
        Peer("plain program, files", _plain),
        Peer("Quix Streams, Kafka to Kafka", partial(_quix, place, servers), needs=("Kafka",)),
        Peer(
            "Rulemill, `serve`, HTTP to Kafka, state in Redis", partial(_service, servers), is_ours=True, needs=("Kafka", "Redis")
        ),
        Peer(
            "Rulemill, `process --egress kafka`, file to Kafka, state in SQLite",
            partial(_process, servers),
            is_ours=True,
            needs=("Kafka",),
        ),
    ]


def _plain(data: Path, out: Path) -> Used:
    command = [sys.executable, str(HERE / "plain_program.py")]
    return Used(cost(Engine("plain program", lambda data, out: [*command, str(data), str(out)]), data, out))


def _quix(place: Path, servers: Servers, data: Path, out: Path) -> Used:
    source = _new_name()
    output = f"{source}.enriched"
    with (data / "events.ndjson").open("rb") as lines:
        last = fill(servers.bootstrap, source, chain(lines, map(orjson.dumps, CLOSING)))
    program = [str(quix(place)), str(HERE / "quix_app.py")]
    topics = [servers.bootstrap, source, output, str(last)]
    engine = Engine("Quix Streams", lambda data, out: [*program, str(data), str(out), *topics])
    used = servers.beside(lambda: cost(engine, data, out))
    _keep_records(servers, output, out)
    return used


def _process(servers: Servers, data: Path, out: Path) -> Used:
    topic = _new_name()
    outs = ["--egress", "kafka", "--aggregates", str(out / "aggregates.ndjson"), "--dead-letters", str(out / "dead.ndjson")]
    command = [
        str(Path(sys.executable).with_name("rulemill")),
        "process",
        str(data / "events.ndjson"),
        *outs,
        "--rules",
        str(_RULES),
    ]
    engine = Engine("Rulemill", lambda _data, _out: command, is_ours=True, variables=servers.egress(topic))
    used = servers.beside(lambda: cost(engine, data, out))
    _keep_records(servers, topic, out)
    return used


def _service(servers: Servers, data: Path, out: Path) -> Used:
    topic = _new_name()
    state = {"STATE_STORE": "redis", "REDIS_ADDRESS": servers.redis, "REDIS_PREFIX": topic}
    with started(out, _RULES, {**servers.egress(topic), **state, "WORKLOAD_DATA": str(data)}) as service:
        sender = [sys.executable, str(HERE / "sender.py"), f"http://{service.host}:{service.port}", str(data / "events.ndjson")]

        def work() -> float:
            done = subprocess.run(sender, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"the sender ended with {done.returncode}: {done.stderr[-2_000:]}")
            return processor_s({"engine": service.pid})["engine"]

        used = servers.beside(work)
    _keep_records(servers, topic, out)
    asyncio.run(_keep_groups(RedisSettings(address=(RedisAddress(servers.redis),), prefix=topic), data, out))
    return used


def _new_name() -> str:
    return f"peers-{uuid.uuid4().hex[:12]}"


def _keep_records(servers: Servers, topic: str, out: Path) -> None:
    with (out / "enriched.ndjson").open("wb") as file:
        file.writelines(value + b"\n" for value in read(servers.bootstrap, topic) if _CLOSING not in value)


async def _keep_groups(settings: RedisSettings, data: Path, out: Path) -> None:
    """Write the windows of a service that has ended, as `process` writes its own."""
    plan = compile_rules(_RULES, {**os.environ, "WORKLOAD_DATA": str(data)}).plan
    if plan is None:
        raise CannotRun(f"there are errors in the rules of `{_RULES}`")
    store = RedisStateStore(settings)
    try:
        await write_aggregates(plan, store, out / "aggregates.ndjson")
    finally:
        await store.close()


class Runs(NamedTuple):
    """All runs of a peer: of a hundred events, of all events, and what is to be said of each of these."""

    starts: list[Used]
    used: list[Used]
    said: list[str]

    def row(self, name: str) -> Row:
        """The engine's part, and a verdict that holds for every run."""
        start_s = statistics.median(one.engine_s for one in self.starts)
        return Row(name, start_s, [one.engine_s for one in self.used], "; ".join(dict.fromkeys(self.said)))

    def of_server(self, name: str, number: int) -> str:
        """A server's µs for each event in the median run, without the start."""
        start_s, all_s = (
            statistics.median(getattr(one, f"{name.lower()}_s") for one in runs) for runs in (self.starts, self.used)
        )
        return f"{(all_s - start_s) / number * 1e6:.1f}"


def compare(found: list[Peer], directory: Path, events: int, runs: int) -> str:
    """Run all of them in turns in an empty directory, and return the table. The first one is the reference."""
    few, data = directory / "few", directory / "data"
    make(few, _FEW)
    make(data, events)
    gathered = [Runs([], [], []) for _ in found]
    for number, peer in enumerate(found):  # the servers are slower at what they do for the first time: it does not count
        peer.run(few, _new(directory / f"first-{number}"))
    for turn in range(runs):
        reference = None
        for number, (peer, its) in enumerate(zip(found, gathered, strict=True)):
            its.starts.append(peer.run(few, _new(directory / f"start-{turn}-{number}")))
            out = _new(directory / f"{turn}-{number}")
            its.used.append(peer.run(data, out))
            outcome = results(Engine(peer.name, lambda *_: [], is_ours=peer.is_ours), out)
            reference = reference or outcome
            its.said.append(verdict(reference, outcome, has_windows=True))
            print(f"{peer.name}: {its.used[-1].engine_s:.2f} s, {its.said[-1]}", file=sys.stderr, flush=True)
    return table(
        [its.row(peer.name) for peer, its in zip(found, gathered, strict=True)],
        events,
        {f"{name} µs/event": _of_server(name, found, gathered, events) for name in ("Kafka", "Redis")},
    )


def _of_server(name: str, found: list[Peer], gathered: list[Runs], events: int) -> list[str]:
    """A column; nothing stands in it where a peer does without the server."""
    return [its.of_server(name, events) if name in peer.needs else "" for peer, its in zip(found, gathered, strict=True)]


def _new(directory: Path) -> Path:
    directory.mkdir()
    return directory


def main() -> int:
    """Start the servers, run all, and print the table."""
    given = options("tools/peers/run --kafka", __doc__, events=50_000)
    place = given.place.absolute()
    if not quix(place).exists():
        raise CannotRun(f"Quix Streams is not installed in `{place}`")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rulemill-peers-")))
        kafka = stack.enter_context(Kafka(directory / "kafka", properties=_FOREVER))
        redis = stack.enter_context(RedisServer(directory / "redis"))
        text = compare(peers(place, Servers(kafka, redis)), directory, given.events, given.runs)
    tell(given, text)
    return 0


if __name__ == "__main__":
    clear_up_at_sigterm()
    try:
        sys.exit(ended(main))
    except CannotRun as why:
        sys.exit(f"tools/peers/run: {why}")
