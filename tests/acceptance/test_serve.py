"""`rulemill serve` as a process: events in by HTTP, records out by file, and how it starts and stops."""

import json
import socket
import threading
from pathlib import Path

import httpx

from tests.acceptance.crews import status, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import Event, add_an_event_that_transforms_make_unfit, answer, ndjson, read_lines

RECORDS = Path("out", "events.enriched.ndjson")


def records(project: Path) -> dict[str, Event]:
    lines = read_lines(project / RECORDS)
    by_id = {line["id"]: line for line in lines}
    assert len(by_id) == len(lines), "a record is in the file twice"
    return by_id


def test_an_event_comes_out_as_it_came_with_its_enrichment_and_its_marks(client: httpx.Client, project: Path) -> None:
    event = answer("a1", user="u3", took_ms=5)

    response = client.post("/events", json=event)

    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    record = records(project)["a1"]
    enrichment, processing = record.pop("enrichment"), record.pop("processing")
    assert record == event
    assert enrichment["person"] == {"plan": "premium"}
    assert enrichment["derived"] == {"pace": "quick"}
    assert enrichment["status"] == {"person": "fresh"}
    assert processing["id"] == "a1"
    assert processing["marks"] == ["quick"]
    assert processing["ruleset"] == response.json()["ruleset"]


def test_an_object_an_array_and_ndjson_are_all_taken(client: httpx.Client, project: Path) -> None:
    lines = {"Content-Type": "application/x-ndjson"}

    one = client.post("/events", json=answer("one"))
    array = client.post("/events", json=[answer("two"), answer("three")])
    ndjson_lines = client.post("/events", content=ndjson([answer("four"), answer("five")]), headers=lines)

    assert [response.json()["accepted"] for response in (one, array, ndjson_lines)] == [1, 2, 2]
    assert set(records(project)) == {"one", "two", "three", "four", "five"}


def test_a_copy_is_told_duplicate_and_leaves_no_second_record(client: httpx.Client, project: Path) -> None:
    client.post("/events", json=answer("a1"))

    again = client.post("/events", json=answer("a1"))
    in_one_request = client.post("/events", json=[answer("a2"), answer("a2")]).json()

    assert again.status_code == 202
    assert again.json()["results"][0]["status"] == "duplicate"
    assert (in_one_request["accepted"], in_one_request["duplicate"]) == (1, 1)
    assert set(records(project)) == {"a1", "a2"}


def test_a_copy_is_still_known_after_a_restart(service: Service, project: Path) -> None:
    httpx.post(f"{service.url}/events", json=answer("a1"))
    assert service.terminate() == 0
    service.start()

    again = httpx.post(f"{service.url}/events", json=answer("a1")).json()

    assert again["duplicate"] == 1
    assert set(records(project)) == {"a1"}


def test_a_blocked_event_is_told_so_and_never_comes_out(client: httpx.Client, project: Path) -> None:
    for _ in range(2):
        response = client.post("/events", json=[answer("bad", agent="a robot"), answer("good")])
        result = response.json()["results"][0]

        assert response.status_code == 202
        assert (result["index"], result["id"], result["status"]) == (0, "bad", "blocked")
    assert set(records(project)) == {"good"}


def test_a_rejected_event_is_told_where_it_is_wrong_and_the_others_go_on(client: httpx.Client, project: Path) -> None:
    response = client.post("/events", json=[answer("bad", points=-1), answer("good")])

    assert response.status_code == 207
    (result,) = response.json()["results"]
    assert (result["index"], result["status"], result["pointer"]) == (0, "rejected", "/points")
    assert result["message"]
    assert set(records(project)) == {"good"}


def test_what_a_transform_has_made_unfit_to_send_is_kept_as_it_came_and_costs_nobody_else(project: Path) -> None:
    unfit = add_an_event_that_transforms_make_unfit(project / "rules" / "rules.yaml")
    with Service(project) as service:
        response = httpx.post(f"{service.url}/events", params={"results": "all"}, json=[unfit, answer("good")])

        assert [result["status"] for result in response.json()["results"]] == ["rejected", "accepted"]
        assert response.json()["results"][0]["code"] == "unencodable"
        assert service.terminate() == 0
    (letter,) = read_lines(project / "out" / "dead-letters.ndjson")
    assert json.loads(letter["raw"]) == unfit
    assert set(records(project)) == {"good"}


def test_the_status_is_ok_and_the_ledger_balances(client: httpx.Client) -> None:
    client.post("/events", json=[answer("a"), answer("a"), answer("b", agent="robot"), answer("c", points="x"), answer("d")])

    status = client.get("/processor/status").json()

    assert status["status"] == "ok"
    assert status["ledger"] == {
        "received": 5,
        "accepted": 2,
        "duplicate": 1,
        "blocked": 1,
        "rejected": 1,
        "retry": 0,
        "in_flight": 0,
    }


def test_it_says_that_it_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_sigterm_under_load_keeps_every_answered_event_and_exits_with_0(service: Service, project: Path) -> None:
    answered: set[str] = set()
    enough = threading.Event()

    def send(name: int) -> None:
        with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
            for turn in range(1_000_000):
                ids = [f"{name}-{turn}-{n}" for n in range(20)]
                try:
                    response = client.post("/events?results=all", json=[answer(identity) for identity in ids])
                except httpx.TransportError:
                    return
                if response.status_code == 503 and "results" not in response.json():
                    return
                answered.update(result["id"] for result in response.json()["results"] if result["status"] == "accepted")
                if turn == 20:
                    enough.set()

    senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(TIMEOUT_S)

    assert service.terminate() == 0

    for sender in senders:
        sender.join(TIMEOUT_S)
    assert len(answered) > 400
    assert answered <= set(records(project))


def test_sigint_ends_it_as_sigterm_does(service: Service) -> None:
    assert service.interrupt() == 0


def test_rules_with_errors_are_shown_and_nothing_is_started(project: Path) -> None:
    (project / "rules" / "rules.yaml").write_text("version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\nfilter: {}\n")

    ended = rulemill("serve", cwd=project, HTTP_PORT="0")

    assert ended.returncode == 1
    assert b"rules/rules.yaml:3:1" in ended.stderr
    assert b"did you mean `filters`?" in ended.stderr
    assert ended.stdout == b""
    assert not (project / "state").exists()
    assert not (project / "out").exists()


def test_a_busy_port_exits_with_2_and_one_line(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = rulemill("serve", "--port", port, cwd=project)

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: ")
    assert str(port) in line


def test_a_config_that_cannot_be_read_exits_with_2_and_one_line(project: Path) -> None:
    ended = rulemill("serve", "--config", "missing.yaml", cwd=project)

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: ")
    assert "missing.yaml" in line


def test_a_bad_setting_exits_with_2_and_says_where_and_what_to_write(project: Path) -> None:
    (project / "config.yaml").write_text("http:\n  port: eighty\n")

    from_file = rulemill("serve", cwd=project)
    from_environment = rulemill("serve", cwd=project, HTTP_PORT="seventy")

    assert (from_file.returncode, from_environment.returncode) == (2, 2)
    assert from_file.stderr.decode().splitlines() == [
        "rulemill: the settings cannot be used",
        "error[C003]: `http.port` is `eighty`; expected a whole number from 0 to 65535",
        " --> config.yaml:2:9",
        "  |",
        "2 |   port: eighty",
        "  |         ^^^^^^",
        "",
        "1 error in 1 file",
    ]
    assert b"`http.port` is `seventy`" in from_environment.stderr
    assert b" --> HTTP_PORT\n" in from_environment.stderr
    assert not (project / "state").exists()


def test_rules_that_are_not_there_exit_with_2_and_one_line(tmp_path: Path) -> None:
    ended = rulemill("serve", cwd=tmp_path, HTTP_PORT="0")

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: ")
    assert "rules" in line


def test_a_last_line_cut_off_by_a_crash_is_cut_back(service: Service, project: Path) -> None:
    httpx.post(f"{service.url}/events", json=answer("a1"))
    service.kill()
    with (project / RECORDS).open("ab") as file:
        file.write(json.dumps(answer("half")).encode()[:-5])
    service.start()

    httpx.post(f"{service.url}/events", json=answer("a2"))

    assert set(records(project)) == {"a1", "a2"}


def test_a_demo_of_rules_that_take_none_of_its_events_says_so_once(checkout: Path, project: Path) -> None:
    words = "the rules reject all events of the demo's traffic"
    with Service(project, "--demo") as others, Service(project / "rules", "--demo", "--rules", str(checkout / "rules")) as own:
        wait_until(lambda: status(others)["ledger"]["rejected"] > 60, "events to be rejected")
        wait_until(lambda: status(own)["ledger"]["accepted"] > 0, "events to be taken")

        assert others.log.count(words) == 1
        assert words not in own.log
