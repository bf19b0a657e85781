"""Every kind of text that readers of JSON have stumbled over: what is JSON is taken, what is not is told why, nothing is a fault of ours."""

import json
from collections.abc import Callable
from typing import Final

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import JsonObject
from tests.unit.ingress.json_texts import NO_VALUES, OTHERS, VALUES
from tests.unit.ingress.samples import NOW_MS
from tests.unit.ingress.services import DecodingService, problem_of

_EVENT: Final = b'{"event_type":"note","timestamp":%d,"x":' % NOW_MS
_CLOUDEVENT: Final = b'{"specversion":"1.0","id":"1","source":"/s","type":"note","time":"2026-03-02T09:00:00Z","data":{"x":'
_ENVELOPES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "application/json": lambda value: _EVENT + value + b"}",
    "application/x-ndjson": lambda value: _EVENT + value + b"}",
    "application/cloudevents+json": lambda value: _CLOUDEVENT + value + b"}}",
    "application/cloudevents-batch+json": lambda value: b"[" + _CLOUDEVENT + value + b"}}]",
}


@pytest.fixture
def service() -> DecodingService:
    service = DecodingService()
    service.limits = service.limits._replace(max_body_bytes=1 << 21)
    return service


async def post(client: httpx.AsyncClient, body: bytes, content_type: str = "application/json") -> httpx.Response:
    response = await client.post("/events", content=body, headers={"content-type": content_type})
    assert response.status_code < 500, response.text
    return response


@pytest.mark.parametrize("content_type", _ENVELOPES)
async def test_what_is_json_is_taken_and_goes_on_as_what_it_says(
    client: httpx.AsyncClient, service: DecodingService, content_type: str
) -> None:
    for value in VALUES:
        line = value.replace(b"\n", b" ")
        response = await post(client, _ENVELOPES[content_type](line), content_type)

        assert (response.status_code, response.json()["accepted"]) == (202, 1), (value[:99], response.text)
        (item,) = service.submissions.pop().items
        event = orjson.loads(item) if isinstance(item, bytes) else item
        assert isinstance(event, dict)
        assert event["x"] == json.loads(value)


@pytest.mark.parametrize("content_type", _ENVELOPES)
async def test_what_is_no_json_is_refused_with_the_place_and_the_reason(client: httpx.AsyncClient, content_type: str) -> None:
    for value in NO_VALUES:
        response = await post(client, _ENVELOPES[content_type](value), content_type)

        if content_type == "application/x-ndjson":
            result = response.json()["results"][0]
            assert response.status_code == 422, (value[:99], response.text)
            assert result["code"] in ("invalid_json", "too_deep")
            words = result["message"]
        else:
            assert problem_of(response) == (400, "invalid_json"), value[:99]
            words = response.json()["detail"]
        assert words.startswith(("not JSON: ", "not UTF-8: ", "arrays and objects are nested"))
        assert len(words) < 300


@pytest.mark.parametrize("content_type", _ENVELOPES)
async def test_what_not_every_reader_takes_is_told_so_and_nothing_of_it_is_changed(
    client: httpx.AsyncClient, content_type: str
) -> None:
    for value in OTHERS:
        response = await post(client, _ENVELOPES[content_type](value), content_type)

        if response.status_code == 422:
            assert response.json()["results"][0]["code"] in ("number_range", "too_deep", "invalid_json"), value[:99]
        else:
            assert problem_of(response) == (400, "invalid_json"), value[:99]


@pytest.mark.parametrize("content_type", _ENVELOPES)
async def test_any_of_it_as_a_whole_body_is_answered(client: httpx.AsyncClient, content_type: str) -> None:
    for body in (*VALUES, *NO_VALUES, *OTHERS):
        response = await post(client, body, content_type)
        assert response.status_code in (202, 400, 413, 422), (body[:99], response.text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.sampled_from([*VALUES, *NO_VALUES]), st.integers(0, 60), st.binary(max_size=3), st.sampled_from(sorted(_ENVELOPES)))
async def test_bytes_put_into_an_event_are_taken_where_they_are_json_still(
    client: httpx.AsyncClient, value: bytes, at: int, added: bytes, content_type: str
) -> None:
    body = _ENVELOPES[content_type](value[:at] + added + value[at:])
    response = await post(client, body, content_type)
    if response.status_code == 202 and response.json()["accepted"]:
        for text in body.split(b"\n") if content_type == "application/x-ndjson" else [body]:
            assert is_json(text)


def is_json(text: bytes) -> bool:
    def refused(word: str) -> JsonObject:
        raise ValueError(word)

    try:
        json.loads(text.decode(), parse_constant=refused)
    except ValueError:
        return not text.strip()
    return True
