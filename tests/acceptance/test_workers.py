"""Several workers on one port: whichever is asked, takes or answers for all."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.crews import SEVERAL, complete, connections, lives, pids, status, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import START_MS, WINDOW_MS, answer, read_lines, write_rules

RECORDS = Path("out", "events.enriched.ndjson")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two workers, for tests that leave it as they found it but for events, and for workers that were replaced."""
    directory = tmp_path_factory.mktemp("project")
    write_rules(directory / "rules")
    with Service(directory, **SEVERAL, LOG_FORMAT="json", LOG_ACCESS="true") as service:
        yield service
        service.terminate()


@pytest.fixture
def crew(project: Path) -> Iterator[Service]:
    """A service with two workers, for one test."""
    with Service(project, **SEVERAL) as service:
        yield service
        if service.runs:
            service.terminate()


def received(service: Service) -> list[int]:
    return [worker["received"] for worker in status(service)["workers"]["each"].values()]


def test_each_of_few_connections_goes_to_the_worker_that_has_fewest(lasting: Service) -> None:
    before = received(lasting)

    with connections(lasting, 4) as clients:
        for number, client in enumerate(clients):
            assert client.post("/events", json=answer(f"even-{number}")).json()["accepted"] == 1
        after = received(lasting)

    assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [2, 2]


def test_a_copy_is_known_whichever_worker_it_comes_to(lasting: Service) -> None:
    with connections(lasting, 2) as (one, other):
        first = one.post("/events", json=answer("twin")).json()
        second = other.post("/events", json=answer("twin")).json()

    assert (first["accepted"], second["duplicate"]) == (1, 1)
    assert [line["id"] for line in read_lines(lasting.directory / RECORDS)].count("twin") == 1


def test_copies_sent_to_all_workers_at_once_come_out_once(lasting: Service) -> None:
    ids = [f"raced-{number}" for number in range(200)]
    with connections(lasting, 4) as clients:
        senders = [
            threading.Thread(target=client.post, args=("/events",), kwargs={"json": [answer(identity) for identity in ids]})
            for client in clients
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(TIMEOUT_S)
        last = clients[0].post("/events", json=[answer(identity) for identity in ids]).json()

    out = [line["id"] for line in read_lines(lasting.directory / RECORDS) if line["id"].startswith("raced-")]
    assert sorted(out) == sorted(ids)
    assert last["duplicate"] == len(ids)


def test_the_figures_are_those_of_all_whichever_worker_is_asked(lasting: Service) -> None:
    before = status(lasting)["ledger"]
    with connections(lasting, 4) as clients:
        for number, client in enumerate(clients):
            client.post("/events", json=[answer(f"sum-{number}-{n}", user="sums") for n in range(10)])
            client.post("/events", json=answer(f"robot-{number}", agent="robot"))
        ledgers = [client.get("/processor/status").json()["ledger"] for client in clients]
        filters = [client.get("/processor/filters").json() for client in clients]
        metrics = [client.get("/metrics/processor").json()["ledger"] for client in clients]
        windows = [client.get("/processor/aggregation?aggregator=by_user&key=user:sums").json() for client in clients]

    assert all(ledger == ledgers[0] for ledger in [*ledgers, *metrics])
    assert ledgers[0]["received"] - before["received"] == 44
    assert ledgers[0]["accepted"] - before["accepted"] == 40
    assert ledgers[0]["blocked"] - before["blocked"] == 4
    assert all(shown == filters[0] for shown in filters)
    for shown in windows:
        (window,) = shown["windows"]
        assert (window["values"]["answers"], window["values"]["points"]) == (40, 40)


def test_a_window_is_final_only_when_event_time_has_passed_it_at_every_worker(lasting: Service) -> None:
    def is_final(client: httpx.Client) -> bool:
        windows = client.get("/processor/aggregation?aggregator=by_user&key=user:slow").json()["windows"]
        return bool(windows[-1]["final"])

    passed_ms = START_MS + WINDOW_MS + 3_600_000
    with connections(lasting, 2) as (one, other):
        one.post("/events", json=answer("early", user="slow"))
        for number in range(2):  # how far event time has come is seen by the batch after it
            one.post("/events", json=answer(f"late-{number}", at=passed_ms))
        only_one = is_final(other)
        for number in range(2):
            other.post("/events", json=answer(f"later-{number}", at=passed_ms))

        assert (only_one, is_final(one)) == (False, True)


def rules_with(project: Path, mark: str) -> None:
    path = project / "rules" / "rules.yaml"
    path.write_text(path.read_text().replace("mark: quick", f"mark: {mark}"))


def marks(service: Service, project: Path, name: str) -> list[list[str]]:
    """The marks on one event each, sent to every worker."""
    with connections(service, 2) as clients:
        for number, client in enumerate(clients):
            assert client.post("/events", json=answer(f"{name}-{number}", took_ms=1)).json()["accepted"] == 1
    lines = {line["id"]: line for line in read_lines(project / RECORDS)}
    return [lines[f"{name}-{number}"]["processing"]["marks"] for number in range(2)]


@pytest.fixture
def by_hand(project: Path) -> Iterator[Service]:
    """A service that reloads when it is told to alone."""
    with Service(project, **SEVERAL, RULES_RELOAD="manual", RULES_LAST_GOOD="state/good.json") as service:
        yield service
        service.terminate()


def test_a_reload_reaches_all_workers_and_those_that_replace_them_and_one_that_is_refused_none(
    by_hand: Service, project: Path
) -> None:
    rules_with(project, "swift")
    told = httpx.post(f"{by_hand.url}/rules/reload", timeout=TIMEOUT_S).json()
    assert told["swapped"]
    assert told["workers"] == {"1": told["ruleset"], "2": told["ruleset"]}
    assert marks(by_hand, project, "a") == [["swift"], ["swift"]]
    assert "swift" in (project / "state" / "good.json").read_text()

    good = (project / "rules" / "rules.yaml").read_text()
    (project / "rules" / "rules.yaml").write_text(good + "filter: {}\n")
    refused = httpx.post(f"{by_hand.url}/rules/reload", timeout=TIMEOUT_S)
    assert refused.status_code == 422
    shown = httpx.get(f"{by_hand.url}/rules", timeout=TIMEOUT_S).json()
    assert shown["workers"] == {"1": told["ruleset"], "2": told["ruleset"]}
    assert shown["rejected"]["findings"]
    assert status(by_hand)["status"] == "degraded"

    os.kill(pids(by_hand)["2"], signal.SIGKILL)
    wait_until(lambda: complete(by_hand, deaths=1), "another worker")
    assert marks(by_hand, project, "after") == [["swift"], ["swift"]]

    (project / "rules" / "rules.yaml").write_text(good.replace("mark: swift", "mark: rapid"))
    by_hand.hang_up()
    wait_until(lambda: status(by_hand)["ruleset"] not in {told["ruleset"], ""}, "the reload that a signal asks for")
    assert marks(by_hand, project, "b") == [["rapid"], ["rapid"]]
    assert status(by_hand)["status"] == "ok"
    assert by_hand.log.count(f"ruleset `{status(by_hand)['ruleset']}` in place of ") == 1, "it is said once for all workers"


def test_a_changed_file_reaches_all_workers_and_one_that_cannot_be_replaced_is_tried_again(crew: Service, project: Path) -> None:
    before = status(crew)["ruleset"]
    rules_with(project, "swift")
    wait_until(lambda: status(crew)["ruleset"] != before, "the new rules")
    assert marks(crew, project, "a") == [["swift"], ["swift"]]

    people = (project / "rules" / "people.json").read_bytes()
    (project / "rules" / "people.json").unlink()
    os.kill(pids(crew)["2"], signal.SIGKILL)
    wait_until(lambda: any("worker 2 cannot be started" in line for line in status(crew)["reasons"]), "word of it")
    assert httpx.post(f"{crew.url}/events", json=answer("meanwhile"), timeout=TIMEOUT_S).json()["accepted"] == 1
    (project / "rules" / "people.json").write_bytes(people)

    wait_until(lambda: complete(crew, deaths=1), "another worker")
    assert status(crew)["status"] == "ok"


def test_without_the_supervisor_the_workers_see_all_to_its_end_and_go(crew: Service, project: Path) -> None:
    workers = pids(crew).values()
    with connections(crew, 2) as clients:
        for number, client in enumerate(clients):
            client.post("/events", json=answer(f"before-{number}"))

        crew.kill()
        wait_until(lambda: not any(map(lives, workers)), "the workers' end")

    crew.start()
    again = httpx.post(f"{crew.url}/events", json=[answer(f"before-{number}") for number in range(2)], timeout=TIMEOUT_S).json()
    assert again["duplicate"] == 2
    assert len(read_lines(project / RECORDS)) == 2


def test_sigterm_under_load_keeps_every_answered_event_and_exits_with_0(crew: Service, project: Path) -> None:
    answered: set[str] = set()
    enough = threading.Event()

    def send(name: int) -> None:
        with httpx.Client(base_url=crew.url, timeout=TIMEOUT_S) as client:
            for turn in range(1_000_000):
                events = [answer(f"{name}-{turn}-{n}") for n in range(20)]
                try:
                    response = client.post("/events?results=all", json=events)
                except httpx.TransportError:
                    return
                results: list[Any] = response.json().get("results", [])
                answered.update(result["id"] for result in results if result["status"] == "accepted")
                if turn == 10:
                    enough.set()

    workers = pids(crew).values()
    senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(TIMEOUT_S)

    assert crew.terminate() == 0

    assert not any(map(lives, workers))
    for sender in senders:
        sender.join(TIMEOUT_S)
    out = [line["id"] for line in read_lines(project / RECORDS)]
    assert len(answered) > 200
    assert answered <= set(out)
    assert len(out) == len(set(out))


def test_a_worker_that_is_told_to_end_is_replaced_and_its_counts_are_kept(lasting: Service) -> None:
    with connections(lasting, 2) as clients:
        for number, client in enumerate(clients):
            client.post("/events", json=answer(f"kept-{number}"))
    before = status(lasting)
    ended = before["workers"]["each"]["1"]["pid"]

    os.kill(ended, signal.SIGTERM)
    wait_until(lambda: pids(lasting).get("1", ended) != ended, "another worker")

    after = status(lasting)
    assert after["ledger"] == before["ledger"]
    assert after["workers"]["deaths"] == before["workers"]["deaths"]


def test_a_worker_that_is_stuck_is_told_of_and_the_others_go_on(lasting: Service) -> None:
    accepted = status(lasting)["ledger"]["accepted"]
    stuck = pids(lasting)["1"]
    with connections(lasting, 2) as clients:
        os.kill(stuck, signal.SIGSTOP)
        try:
            free = next(client for client in clients if answers(client))
            wait_until(lambda: any("worker 1 has not answered" in line for line in reasons(free)), "word of it")
            assert free.post("/events", json=answer("unstuck")).json()["accepted"] == 1
            assert free.get("/processor/status").json()["ledger"]["accepted"] == accepted + 1
        finally:
            os.kill(stuck, signal.SIGCONT)
        wait_until(lambda: not reasons(free), "its recovery")


def reasons(client: httpx.Client) -> list[str]:
    shown: list[str] = client.get("/processor/status").json()["reasons"]
    return shown


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz", timeout=1).status_code == 200
    except httpx.TimeoutException:
        return False


def test_the_demo_has_one_generator(project: Path) -> None:
    with Service(project, "--demo", **SEVERAL) as service:
        wait_until(lambda: sum(received(service)) > 0, "traffic")

        assert sorted(map(bool, received(service))) == [False, True]
        service.terminate()


def test_a_store_that_no_two_processes_can_share_is_refused(project: Path) -> None:
    ended = rulemill("serve", cwd=project, EVENT_PROCESSOR_WORKERS="2", STATE_STORE="memory", HTTP_PORT="0")

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: `processor.workers` is 2 and `store` is `memory`")


def test_what_keeps_a_worker_from_starting_is_said_and_ends_the_service_with_2(project: Path) -> None:
    (project / "file").write_text("where a directory is needed")

    ended = rulemill("serve", cwd=project, EVENT_PROCESSOR_WORKERS="2", SQLITE_PATH="file/state.db", HTTP_PORT="0")

    assert ended.returncode == 2
    assert ended.stdout == b""
    first, last = ended.stderr.decode().splitlines()
    assert "file" in first
    assert last == "rulemill: worker 1 ended with exit code 2 before it was ready"


def test_rules_with_errors_are_shown_once_and_nothing_is_started(project: Path) -> None:
    (project / "rules" / "rules.yaml").write_text("version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\nfilter: {}\n")

    ended = rulemill("serve", cwd=project, EVENT_PROCESSOR_WORKERS="2", HTTP_PORT="0")

    assert ended.returncode == 1
    assert ended.stderr.count(b"did you mean `filters`?") == 1
    assert not (project / "state").exists()


def test_log_lines_say_which_worker_wrote_them(lasting: Service) -> None:
    with connections(lasting, 2):
        pass
    lines = [json.loads(line) for line in lasting.log.splitlines()]

    assert {line["worker"] for line in lines if "/healthz" in line["message"]} == {1, 2}
