"""The HTTP side of `rulemill serve`, as its operator sets it up."""

import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import Event, answer, ndjson, read_lines

RECORDS = Path("out", "events.enriched.ndjson")
INGEST, ADMIN = "ingest-token-0000001", "admin-token-00000001"


def ids(project: Path) -> list[str]:
    return [str(line["id"]) for line in read_lines(project / RECORDS)]


def test_beyond_this_machine_nothing_is_served_without_tokens(project: Path) -> None:
    ended = rulemill("serve", "--host", "0.0.0.0", cwd=project, HTTP_PORT="0", HTTP_INGEST_TOKENS=INGEST)  # noqa: S104 - refused

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert "http.admin_tokens" in line
    assert "HTTP_ALLOW_UNAUTHENTICATED" in line
    assert INGEST not in line
    assert not (project / "state").exists()


@pytest.mark.parametrize(
    "variables", [{"HTTP_INGEST_TOKENS": INGEST, "HTTP_ADMIN_TOKENS": ADMIN}, {"HTTP_ALLOW_UNAUTHENTICATED": "true"}]
)
def test_beyond_this_machine_it_serves_with_tokens_or_by_name(project: Path, variables: dict[str, str]) -> None:
    with Service(project, HTTP_HOST="0.0.0.0", **variables) as service:  # noqa: S104 - what is asked for
        assert httpx.get(f"{service.url}/healthz").status_code == 200


def test_what_is_no_http_is_told_to_the_sender_and_not_to_the_log(service: Service) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as sender:
        sender.sendall(b"\x16\x03\x01\r\n\r\n")
        assert sender.recv(65_536).startswith(b"HTTP/1.1 400 ")

    assert service.terminate() == 0
    assert service.log == ""


def test_tokens_are_asked_for_and_stand_in_no_log(project: Path) -> None:
    (project / "config.yaml").write_text(f"http:\n  ingest_tokens: [{INGEST}]\n  admin_tokens: [{ADMIN}]\n")
    with Service(project) as service, httpx.Client(base_url=service.url) as client:
        for token, events, status in ((None, 401, 401), (INGEST, 202, 403), (ADMIN, 202, 200), ("wrong-token-0000001", 401, 401)):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert client.post("/events", json=answer("a"), headers=headers).status_code == events
            assert client.get("/processor/status", headers=headers).status_code == status
        assert service.terminate() == 0
    assert not any(token in service.log for token in (INGEST, ADMIN, "wrong-token"))


def test_compressed_lines_and_cloudevents_come_out_as_records(client: httpx.Client, project: Path) -> None:
    packed = gzip.compress(ndjson([answer("a"), answer("b")]))
    client.post("/events", content=packed, headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})
    event = answer("c")
    envelope = {"specversion": "1.0", "id": "1", "source": "/test", "type": event.pop("kind"), "data": event}
    response = client.post("/events", json=[envelope], headers={"Content-Type": "application/cloudevents-batch+json"})

    assert response.json()["accepted"] == 1, response.text
    records = {record["id"]: record for record in read_lines(project / RECORDS)}
    assert set(records) == {"a", "b", "c"}
    assert (records["c"]["kind"], records["c"]["cloudevent"]) == ("answer", {"id": "1", "source": "/test", "type": "answer"})


def test_a_full_inbox_asks_to_come_again_and_what_comes_again_is_taken_once(project: Path) -> None:
    refused = 0
    lock = threading.Lock()

    def send(name: int) -> None:
        nonlocal refused
        events: list[Event] = [answer(f"{name}-{number}") for number in range(40)]
        with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
            while (response := client.post("/events", json=events)).status_code == 429:
                assert response.headers["content-type"] == "application/problem+json"
                assert int(response.headers["retry-after"]) >= 1
                with lock:
                    refused += 1
            assert (response.status_code, response.json()["accepted"]) == (202, 40)

    with Service(project, EVENT_PROCESSOR_BUFFER_SIZE="50", EVENT_PROCESSOR_MAX_BATCH="10") as service:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(send, range(30)))
        ledger = httpx.get(f"{service.url}/processor/status").json()["ledger"]
    assert refused > 0
    assert ledger["received"] == ledger["accepted"] == 1_200
    assert sorted(ids(project)) == sorted(f"{name}-{number}" for name in range(30) for number in range(40))


def test_what_was_answered_as_received_is_out_when_it_has_stopped(project: Path) -> None:
    with Service(project, EVENT_ACK="received") as service, httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
        for turn in range(20):
            events = [answer(f"{turn}-{number}", agent="robot" if number == 7 else "browser") for number in range(100)]
            assert client.post("/events", json=events).json()["accepted"] == 100
        assert client.post("/events", json=answer("bad", points=-1)).status_code == 422
        assert service.terminate() == 0

    assert sorted(ids(project)) == sorted(f"{turn}-{number}" for turn in range(20) for number in range(100) if number != 7)
