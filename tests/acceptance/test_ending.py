"""What is said when a command ends: nothing that is of no use to whoever ended it."""

import socket
import threading
from pathlib import Path

import httpx
import orjson
import pytest

from tests.acceptance.crews import status, wait_until
from tests.acceptance.processes import Service
from tests.acceptance.samples import answer, ndjson


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_keeps_sketches_ends_without_a_word_about_its_memory(checkout: Path, tmp_path: Path, workers: str) -> None:
    with Service(tmp_path, "--demo", "--rules", str(checkout / "rules"), EVENT_PROCESSOR_WORKERS=workers) as service:
        wait_until(lambda: status(service)["ledger"]["accepted"] > 250, "events to be counted")

        assert service.terminate() == 0

    assert "leaked" not in service.log


HEADERS = {"content-type": "application/x-ndjson"}


def _stopped_before_its_records_are_out(
    project: Path, ack: str, number: int, **headers: str
) -> tuple[Service, list[httpx.Response]]:
    """A service that cannot write its records, stopped once it has a request of so many events; and its answers."""
    (project / "out" / "events.enriched.ndjson").mkdir(parents=True)
    lines = ndjson([answer(f"a{place}") for place in range(number)])
    answers: list[httpx.Response] = []
    with Service(project, EVENT_ACK=ack, EVENT_PROCESSOR_SHUTDOWN_TIMEOUT="300ms") as service:

        def send() -> None:
            answers.append(httpx.post(f"{service.url}/events", content=lines, headers=HEADERS | headers, timeout=30))

        sending = threading.Thread(target=send)
        sending.start()
        wait_until(lambda: status(service)["ledger"]["received"] == number, "the events to be there")
        assert service.terminate() == 0
        sending.join()
    return service, answers


@pytest.mark.parametrize("headers", [{}, {"expect": "100-continue"}], ids=["whole", "in parts"])
def test_senders_that_still_wait_at_the_end_are_told_to_send_again(project: Path, headers: dict[str, str]) -> None:
    service, (answered,) = _stopped_before_its_records_are_out(project, "delivered", 3, **headers)

    assert (answered.status_code, answered.json()["retry"]) == (503, 3)
    assert "3 events had not ended after 300 ms; their senders are told to send again" in service.log
    assert "dead letters" not in service.log


def test_a_request_that_never_arrives_as_a_whole_holds_a_stop_no_longer_than_the_settings_say(project: Path) -> None:
    with Service(project, EVENT_PROCESSOR_SHUTDOWN_TIMEOUT="300ms") as service:
        address = httpx.URL(service.url)
        with socket.create_connection((address.host, address.port or 80), timeout=30) as half:
            half.sendall(b"POST /events HTTP/1.1\r\nhost: rulemill\r\ncontent-length: 100\r\n\r\n{")
            wait_until(lambda: "rulemill_body_bytes 1.0" in httpx.get(f"{service.url}/metrics").text, "the request to begin")

            assert service.terminate() == 0

            assert half.recv(1) == b""
    assert "Traceback" not in service.log


def test_what_was_answered_before_it_ended_is_kept_at_the_end_and_nobody_is_told_to_send_it_again(project: Path) -> None:
    service, (answered,) = _stopped_before_its_records_are_out(project, "received", 3)

    assert (answered.status_code, answered.json()["accepted"]) == (202, 3)
    letters = list(map(orjson.loads, (project / "out" / "dead-letters.ndjson").read_bytes().splitlines()))
    assert [(letter["id"], letter["code"]) for letter in letters] == [(f"a{place}", "shutdown") for place in range(3)]
    assert "3 events that were answered as received are kept as dead letters" in service.log
    assert "send again" not in service.log
