"""The comparison over a Kafka: ours come to the same as the plain program, what differs is told, and nothing is left behind."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.acceptance.crews import wait_until
from tests.acceptance.processes import ROOT, TIMEOUT_S, environment
from tests.servers.kafka import NewTopics, messages
from tools.peers import job
from tools.peers.compare import Engine, results, verdict
from tools.peers.over_kafka import CLOSING, Peer, Servers, Used, compare, peers, quix
from tools.peers.topics import TopicUnusable, fill, read
from tools.peers.traffic import make
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer

GRACE_S: Final = 10


def test_our_service_and_a_run_of_process_come_to_the_same_as_the_plain_program(
    tmp_path: Path, kafka: Kafka, redis_server: RedisServer
) -> None:
    make(tmp_path / "data", 3_000)
    plain, _, service, process = peers(tmp_path, Servers(kafka, redis_server))
    found = []
    for place, peer in enumerate((plain, service, process)):
        out = tmp_path / str(place)
        out.mkdir()
        assert peer.run(tmp_path / "data", out).engine_s > 0
        found.append(results(Engine(peer.name, lambda *_: [], is_ours=peer.is_ours), out))

    assert b"!!" in (tmp_path / "data" / "events.ndjson").read_bytes()
    assert len(found[0][0]) > 2_600
    assert len({name for name, _, _ in found[0][1]}) == 5
    assert [verdict(found[0], other, has_windows=True) for other in found[1:]] == ["same records, same groups"] * 2


def test_a_row_says_what_differs_in_any_of_its_runs_and_what_the_servers_took(
    tmp_path: Path, kafka: Kafka, redis_server: RedisServer
) -> None:
    plain, *_ = peers(tmp_path, Servers(kafka, redis_server))
    runs: list[Path] = []

    def forgetful(data: Path, out: Path) -> Used:
        used = plain.run(data, out)
        runs.append(out)
        if len(runs) == 5:  # once as the first, and a start before each run: the second run of all events
            records = (out / "enriched.ndjson").read_bytes().splitlines(keepends=True)
            (out / "enriched.ndjson").write_bytes(b"".join(records[:-1]))
        return used._replace(kafka_s=len((data / "events.ndjson").read_bytes().splitlines()) / 1e6)

    text = compare([plain, Peer("forgetful", forgetful, needs=("Kafka",))], tmp_path, 300, 2)

    head, _, first, second = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines())
    assert head[4:6] == ["Kafka µs/event", "Redis µs/event"]
    assert [first[0], *first[4:6], first[-1]] == ["plain program, files", "", "", "same records, same groups"]
    assert second[4:6] == ["0.7", ""]
    assert second[-1].startswith("same records, same groups; 1 of ")
    assert second[-1].endswith(" records differ, same groups")


def test_a_topic_that_is_filled_is_keyed_by_user_and_reads_as_it_was_filled(kafka: Kafka, new_topic: NewTopics) -> None:
    topic = f"{new_topic()}-filled"
    lines = [b'{"user_id": "u1"}\n', b'!!{"user_id": "u1"}\n', b'{"user_id": "u2"}\n']

    assert fill(kafka.bootstrap, topic, lines) == 2

    assert list(read(kafka.bootstrap, topic)) == [line.rstrip(b"\n") for line in lines]
    assert [message.key() for message in messages(kafka.bootstrap, topic)] == [b"u1", None, b"u2"]


def test_a_topic_that_has_lost_messages_is_not_taken_for_whole(kafka: Kafka, new_topic: NewTopics) -> None:
    topic = f"{new_topic()}-filled"
    fill(kafka.bootstrap, topic, [b'{"user_id": "u1"}\n'] * 3)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    beyond = TopicPartition(topic, 0, 2)
    admin.delete_records([beyond])[beyond].result(TIMEOUT_S)

    with pytest.raises(TopicUnusable, match="the first 2 messages"):
        list(read(kafka.bootstrap, topic))


def test_every_window_is_closed_by_an_event_that_comes_after_all_others(tmp_path: Path) -> None:
    make(tmp_path, 2_000)
    job.load(tmp_path)
    lines = (tmp_path / "events.ndjson").read_text().splitlines()
    newest_s = max(_second(json.loads(line)) for line in lines if not line.startswith("!!"))

    for name, aggregation in job.AGGREGATIONS.items():
        window_end_s = (newest_s // aggregation.size_s + 1) * aggregation.size_s
        closing = [event for event in CLOSING if aggregation.only in (None, event["event_type"])]
        assert any(_second(event) > window_end_s + GRACE_S for event in closing), name
    assert all(job.apply_filters(job.enrich(dict(event))) for event in CLOSING)


def _second(event: job.Event) -> int:
    return int(datetime.fromisoformat(event["timestamp"]).timestamp())


@contextmanager
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The comparison, in a place where the Python of Quix Streams is there, and Quix Streams is not; its files go to `scratch`."""
    python = quix(tmp_path / "place")
    python.parent.mkdir(parents=True)
    python.symlink_to(Path(sys.executable).resolve())
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, str(ROOT / "tools" / "peers" / "over_kafka.py"), str(tmp_path / "place"), "--events", "200"]
    variables = environment(TMPDIR=str(tmp_path / "scratch"))
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def left(tmp_path: Path) -> list[str]:
    """What there still is of it: files, and processes that were started with them."""
    scratch = tmp_path / "scratch"
    found = [process.info for process in psutil.process_iter(["cmdline", "cwd"])]
    lines = [" ".join([*(one["cmdline"] or ()), "in", one["cwd"] or "?"]) for one in found]
    return [*map(str, scratch.glob("rulemill-peers-*")), *(line for line in lines if str(scratch) in line)]


@pytest.mark.usefixtures("kafka", "redis_server")
def test_an_engine_that_fails_is_told_of_and_ends_the_comparison_with_all_that_it_started(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        _, said = process.communicate(timeout=2 * TIMEOUT_S)

    assert process.returncode == 1
    assert "Quix Streams: ended with 1:" in said
    assert "No module named" in said
    assert left(tmp_path) == []


@pytest.mark.usefixtures("kafka", "redis_server")
def test_a_comparison_that_is_told_to_end_takes_its_servers_with_it(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        wait_until(lambda: any((tmp_path / "scratch").glob("*/redis/redis.log")), "its servers")
        assert any(line.endswith("/redis") for line in left(tmp_path))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 128 + signal.SIGTERM
    assert left(tmp_path) == []
