"""The HTTP interface from outside: requests in, statuses and JSON out, over the real decoder."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.health import health_endpoints
from engine.ingress.http import create_app
from engine.ingress.problems import RequestRefused
from tests.unit.ingress.samples import attempt, note
from tests.unit.ingress.services import MAX_BODY_BYTES, DecodingService, problem_of


async def test_an_event_is_accepted_with_its_result(client: httpx.AsyncClient) -> None:
    response = await client.post("/events", json=attempt())
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "accepted": 1,
        "duplicate": 0,
        "blocked": 0,
        "rejected": 0,
        "retry": 0,
        "ruleset": "0123456789ab",
        "results": [{"index": 0, "id": "a1", "status": "accepted"}],
    }


@pytest.mark.parametrize("path", ["/healthz", "/rules", "/openapi.json", "/nowhere", "/events"])
async def test_an_answer_is_a_line_of_its_own(client: httpx.AsyncClient, path: str) -> None:
    answer = await (client.post(path, json=attempt()) if path == "/events" else client.get(path))

    assert answer.text.endswith("}\n")
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_copy_and_a_blocked_event_are_taken_and_told_apart(client: httpx.AsyncClient) -> None:
    await client.post("/events", json=attempt())
    copy = await client.post("/events", json=attempt())
    assert (copy.status_code, copy.json()["results"]) == (202, [{"index": 0, "id": "a1", "status": "duplicate"}])
    blocked = await client.post("/events", json=note(user_agent="bot"))
    result = {"index": 0, "id": None, "status": "blocked", "code": "bot_traffic", "message": "bot"}
    assert (blocked.status_code, blocked.json()["blocked"], blocked.json()["results"]) == (202, 1, [result])


async def test_of_many_only_those_that_were_not_accepted_have_results(client: httpx.AsyncClient) -> None:
    events = [attempt(client_attempt_id="a"), attempt(client_attempt_id="b", score=7), note(), attempt(client_attempt_id="a")]
    response = await client.post("/events", json=events)
    answer = response.json()
    assert response.status_code == 207
    assert [answer[status] for status in ("accepted", "duplicate", "blocked", "rejected", "retry")] == [2, 1, 0, 1, 0]
    assert [(result["index"], result["id"], result["status"]) for result in answer["results"]] == [
        (1, "b", "rejected"),
        (3, "a", "duplicate"),
    ]
    assert (answer["results"][0]["code"], answer["results"][0]["pointer"]) == ("schema", "/score")


async def test_all_results_are_given_when_asked_for(client: httpx.AsyncClient) -> None:
    response = await client.post("/events?results=all", json=[note(), note()])
    assert [result["status"] for result in response.json()["results"]] == ["accepted", "accepted"]
    assert problem_of(await client.post("/events?results=some", json=[note()])) == (400, "bad_query")


@pytest.mark.parametrize("content", [b"[]", b" [ ] "])
async def test_no_events_are_no_error(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/events", content=content)
    assert (response.status_code, response.json()["accepted"], response.json()["results"]) == (202, 0, [])


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([note(), note(user_agent="bot")], 202),
        ([{}, {}], 422),
        ([{}], 422),
        ([note(), {}], 207),
        ([note(), note(unlucky=1)], 207),
        ([note(unlucky=1), {}], 207),
        ([note(unlucky=1), note(unlucky=1)], 503),
        ([note(unlucky=1)], 503),
    ],
)
async def test_the_status_tells_the_worst_of_the_outcomes(
    client: httpx.AsyncClient, events: list[JsonObject], status: int
) -> None:
    response = await client.post("/events", json=events)
    assert response.status_code == status
    assert ("retry-after" in response.headers) == (status == 503)
    assert sum(response.json()[name] for name in ("accepted", "duplicate", "blocked", "rejected", "retry")) == len(events)


async def test_lines_are_told_apart_good_from_bad(client: httpx.AsyncClient) -> None:
    good = orjson.dumps(note())
    bad = [
        b"{",
        b'{"a": NaN}',
        b"\xff",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\ud800"}',
        b"[1]",
        b'{"a":' * 2_000,
        b"null",
        good[:-1],
        good.replace(b"17", b"99" * 10),
    ]
    body = b"\r\n".join(line for pair in zip(bad, [good] * len(bad), strict=True) for line in pair)
    response = await client.post("/events", content=body, headers={"content-type": "application/x-ndjson"})
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["rejected"]) == (207, len(bad), len(bad))
    assert [result["index"] for result in answer["results"]] == list(range(0, 2 * len(bad), 2))
    assert [result["code"] for result in answer["results"]] == [
        *["invalid_json"] * 5,
        "not_an_object",
        "too_deep",
        "not_an_object",
        "invalid_json",
        "number_range",
    ]


async def test_digits_are_not_lost_in_an_array_either(client: httpx.AsyncClient) -> None:
    body = orjson.dumps([note(), note(n=0), note()]).replace(b'"n":0', b'"n": 123456789012345678901')
    response = await client.post("/events", content=body)
    assert response.status_code == 207
    assert [(result["index"], result["code"], result["pointer"]) for result in response.json()["results"]] == [
        (1, "number_range", "/n")
    ]


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"", {}, (400, "invalid_json")),
        (b"{", {}, (400, "invalid_json")),
        (b"7", {}, (400, "not_an_event")),
        (b"[" * 3_000, {}, (400, "invalid_json")),
        (b"{}", {"content-type": "text/csv"}, (415, "unsupported_content_type")),
        (b"{}", {"content-type": "application/json; charset=utf-16"}, (415, "unsupported_charset")),
        (b"{}", {"content-encoding": "br"}, (415, "unsupported_content_encoding")),
        (b"[" + b"{}," * 50 + b"{}]", {}, (413, "too_many_events")),
        (b"x" * (MAX_BODY_BYTES + 1), {}, (413, "body_too_large")),
        (b"{}", {"content-length": "9" * 6_000}, (413, "body_too_large")),
    ],
)
async def test_a_request_that_is_wrong_as_a_whole_is_a_problem(
    client: httpx.AsyncClient, service: DecodingService, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem_of(await client.post("/events", content=content, headers=headers)) == expected
    assert service.submissions == []


async def test_a_body_of_unknown_length_is_read_to_the_limit_and_no_further(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1_000
            yield b" " * 1_000

    assert problem_of(await client.post("/events", content=endless())) == (413, "body_too_large")
    assert sent <= MAX_BODY_BYTES + 2_000


async def test_a_full_inbox_asks_to_try_again(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.has_room = False
    response = await client.post("/events", json=note())
    assert problem_of(response) == (429, "inbox_full")
    assert int(response.headers["retry-after"]) >= 1


async def test_an_engine_that_stops_says_so(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.has_room, service.reason = False, "the engine is stopping"
    response = await client.post("/events", json=note())
    assert problem_of(response) == (503, "not_ready")
    assert response.json()["detail"] == "the engine is stopping"
    assert int(response.headers["retry-after"]) >= 1
    assert problem_of(await client.get("/readyz")) == (503, "not_ready")


async def test_the_answer_waits_for_the_last_outcome(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.held = asyncio.Queue()
    request = asyncio.create_task(client.post("/events", json=[note(), {}, note()]))
    first, last = await service.held.get(), await service.held.get()
    service.end([last])
    for _ in range(20):
        await asyncio.sleep(0)
    assert not request.done()
    service.end([first])
    assert (await request).json()["accepted"] == 2


async def test_a_client_that_is_gone_harms_nobody(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.held = asyncio.Queue()
    impatient = asyncio.create_task(client.post("/events", json=note()))
    patient = asyncio.create_task(client.post("/events", json=note()))
    events = [await service.held.get(), await service.held.get()]
    impatient.cancel()
    await asyncio.wait([impatient])
    service.end(events)
    assert (await patient).status_code == 202
    assert all(submission.pending == 0 for submission in service.submissions)


async def test_a_body_that_breaks_off_is_never_submitted(service: DecodingService) -> None:
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b'{"a":', "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/events", "query_string": b"", "headers": [], "http_version": "1.1"}
    await create_app(service)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert service.submissions == []


async def test_health_and_status_are_json(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    status = await client.get("/processor/status")
    assert (status.status_code, status.json()) == (200, {"status": "ok", "queue": 0})


async def test_wrong_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    assert problem_of(await client.get("/nothing")) == (404, "not_found")
    assert problem_of(await client.post("/events/", json=note())) == (404, "not_found")
    wrong_method = await client.get("/events")
    assert problem_of(wrong_method) == (405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "POST"
    assert (await client.post("/healthz")).headers["allow"] == "GET, HEAD"


async def test_an_endpoint_from_outside_is_served_and_described_beside_the_others(service: DecodingService) -> None:
    async def moon(request: Request) -> Response:
        raise RequestRefused(409, "new_moon", f"no moon at {request.query_params['at']}")

    endpoint = Endpoint("GET", "/moon", moon, {"summary": "The moon", "responses": {}})
    transport = httpx.ASGITransport(create_app(service, [endpoint]))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        assert problem_of(await client.get("/moon?at=noon")) == (409, "new_moon")
        description = (await client.get("/openapi.json")).json()
    assert description["openapi"].startswith("3.1")
    assert {"/events", "/healthz", "/moon", "/openapi.json"} <= set(description["paths"])
    assert set(description["paths"]["/moon"]["get"]["responses"]) == {"401", "403", "500", "503"}
    assert description["paths"]["/healthz"]["get"]["security"] == []


async def test_two_endpoints_in_one_place_are_a_fault_at_start(service: DecodingService) -> None:
    with pytest.raises(ValueError, match="two endpoints for GET /healthz"):
        create_app(service, health_endpoints(service))


async def test_a_bug_is_a_problem_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(DecodingService):
        async def status(self) -> JsonObject:
            raise ZeroDivisionError("secret")

    transport = httpx.ASGITransport(create_app(Broken()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        response = await client.get("/processor/status")
    assert problem_of(response) == (500, "internal_error")
    assert "secret" not in response.text
    assert "secret" in caplog.text
