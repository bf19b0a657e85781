"""Requests that are there as a whole are answered as those that come in pieces are: nobody can tell the two ways apart."""

import asyncio
import gzip

import orjson
import pytest
from pydantic import SecretStr

from engine.event import Submission
from engine.ingress.access import AccessPolicy
from tests.unit.ingress.samples import NOW_TEXT, note
from tests.unit.ingress.services import MAX_BODY_BYTES, DecodingService
from tests.unit.ingress.sockets import Connection, serving

EVENT = orjson.dumps(note())
POLICY = AccessPolicy([SecretStr("ours")])


def post(body: bytes, *headers: str, target: str = "/events", version: str = "1.1") -> bytes:
    if not any(header.startswith("authorization") for header in headers):
        headers = (*headers, "authorization: Bearer ours")
    lines = [f"POST {target} HTTP/{version}", "Host: e", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


SENT = {
    "an event": post(EVENT),
    "events": post(orjson.dumps([note(), note(user_agent="bot"), {}])),
    "lines": post(EVENT + b"\n" + EVENT, "Content-Type: application/x-ndjson"),
    "no events": post(b"[]"),
    "nothing": post(b""),
    "all results": post(orjson.dumps([note(), note()]), target="/events?results=all"),
    "a CloudEvent": post(b"{}", "ce-specversion: 1.0", "ce-type: note", "ce-source: /s", "ce-id: 1", f"ce-time: {NOW_TEXT}"),
    "gzip": post(gzip.compress(EVENT), "Content-Encoding: gzip"),
    "sent to be tried again": post(orjson.dumps(note(unlucky=1))),
    "rejected": post(orjson.dumps({})),
    "not JSON": post(b"{"),
    "too many": post(orjson.dumps([note()] * 51)),
    "another content type": post(EVENT, "Content-Type: text/html"),
    "too much": post(b" " * (MAX_BODY_BYTES + 1)),
    "no token that is known": post(EVENT, "authorization: Bearer theirs"),
    "HTTP/1.0": post(EVENT, version="1.0"),
    "the last request": post(EVENT, "Connection: close"),
}


async def answer_to(client: Connection, *pieces: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    for piece in pieces:
        client.send(piece)
        await asyncio.sleep(0.02)  # so that the server sees them one at a time
    status, headers, body = await client.answer()
    if headers.get("connection") == "close":
        assert await client.is_closed()
    return status, {**headers, "date": "today"}, body


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT.keys())
async def test_a_request_is_answered_alike_as_a_whole_and_in_pieces(sent: bytes) -> None:
    head, end, body = sent.partition(b"\r\n\r\n")
    async with serving(POLICY) as whole, serving(POLICY) as pieces:
        assert await answer_to(await whole.connect(), sent) == await answer_to(await pieces.connect(), head + end, body)
        received = [[submission.items for submission in server.service.submissions] for server in (whole, pieces)]
        assert received[0] == received[1]


async def test_an_engine_without_room_and_one_that_is_not_ready_say_so(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(POLICY) as server:
        client = await server.connect()
        server.service.has_room = False
        status, headers, body = await answer_to(client, post(EVENT))
        assert (status, body["code"], headers["retry-after"]) == (429, "inbox_full", "1")
        server.service.reason = "the store is away"
        status, headers, body = await answer_to(client, post(EVENT))
        assert (status, body["code"], headers["retry-after"]) == (503, "not_ready", "1")
    assert not caplog.records


async def test_requests_behind_each_other_are_answered_in_their_order_whichever_way_they_come() -> None:
    async with serving(POLICY) as server:
        server.service.held = asyncio.Queue()
        client = await server.connect()
        client.send(post(orjson.dumps(note(id="first"))) + post(b"[]") + post(b"{") + post(orjson.dumps(note(id="last"))))
        first = await server.next_event()
        server.service.end([first])
        assert [(await client.answer()).status for _ in range(3)] == [202, 202, 400]
        server.service.end([await server.next_event()])
        assert (await client.answer()).status == 202


async def test_a_connection_is_not_idle_while_its_second_request_is_on_its_way() -> None:
    async with serving(POLICY, keep_alive="50ms") as server:
        server.service.held = asyncio.Queue()
        client = await server.connect()
        client.send(post(b"{") + post(EVENT))
        assert (await client.answer()).status == 400
        event = await server.next_event()
        await asyncio.sleep(0.15)  # longer than a connection may be idle
        server.service.end([event])
        assert (await client.answer()).status == 202
        assert await client.is_closed()


async def test_a_request_that_waits_for_its_events_costs_no_task() -> None:
    async with serving(POLICY) as server:
        server.service.held = asyncio.Queue()
        client = await server.connect()
        before = asyncio.all_tasks()
        client.send(post(EVENT))
        event = await server.next_event()
        assert asyncio.all_tasks() <= before
        server.service.end([event])
        assert (await client.answer()).status == 202


async def test_a_client_that_is_gone_before_its_answer_harms_nobody() -> None:
    async with serving(POLICY) as server:
        server.service.held = asyncio.Queue()
        gone, other = await server.connect(), await server.connect()
        gone.send(post(EVENT))
        event = await server.next_event()
        gone.writer.close()
        await gone.writer.wait_closed()
        assert (await answer_to(other, b"GET /healthz HTTP/1.1\r\nhost: e\r\n\r\n"))[0] == 200
        server.service.end([event])
        other.send(post(EVENT))
        server.service.end([await server.next_event()])
        assert (await other.answer()).status == 202


async def test_a_bug_is_a_problem_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(DecodingService):
        def submit(self, submission: Submission) -> bool:
            raise ZeroDivisionError(f"secret of {len(submission.items)}")

    async with serving(POLICY, service=Broken()) as server:
        status, _, body = await answer_to(await server.connect(), post(EVENT))
        assert (status, body["code"]) == (500, "internal_error")
        assert "secret" not in str(body)
    assert "secret" in caplog.text
