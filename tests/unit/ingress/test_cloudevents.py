"""CloudEvents over HTTP, in their three modes: what becomes of the envelope, and what is told of one that is none."""

import base64
from dataclasses import replace

import httpx
import orjson
import pytest

from engine.event import JsonObject
from engine.rules.plan_events import EventPlan
from tests.unit.ingress.samples import EVENTS, NOW_TEXT, path, plan_with
from tests.unit.ingress.services import DecodingService, problem_of

ONE = {"content-type": "application/cloudevents+json"}
MANY = {"content-type": "application/cloudevents-batch+json; charset=UTF-8"}
BINARY = {"ce-specversion": "1.0", "ce-id": "c1", "ce-source": "/shop", "ce-type": "note", "ce-time": NOW_TEXT}


def cloudevent(**members: object) -> JsonObject:
    event: JsonObject = {"specversion": "1.0", "id": "c1", "source": "/shop", "type": "note", "time": NOW_TEXT, "data": {"n": 1}}
    return {name: value for name, value in (event | members).items() if value is not ...}


def event_of(service: DecodingService) -> object:
    (item,) = service.submissions[-1].items
    return item


async def test_the_data_is_the_event_and_the_envelope_gives_type_time_and_origin(
    client: httpx.AsyncClient, service: DecodingService
) -> None:
    response = await client.post("/events", json=cloudevent(subject="s", color="red"), headers=ONE)

    assert (response.status_code, response.json()["accepted"]) == (202, 1)
    assert event_of(service) == {
        "n": 1,
        "event_type": "note",
        "timestamp": NOW_TEXT,
        "cloudevent": {"id": "c1", "source": "/shop", "type": "note", "time": NOW_TEXT, "subject": "s", "color": "red"},
    }


async def test_what_the_data_says_itself_comes_before_the_envelope(client: httpx.AsyncClient, service: DecodingService) -> None:
    data = {"event_type": "attempt", "client_attempt_id": "a1", "user_id": "u", "score": 1, "timestamp": 1_772_442_000_000}

    response = await client.post("/events", json=cloudevent(data=data), headers=ONE)

    assert response.json()["results"] == [{"index": 0, "id": "a1", "status": "accepted"}]
    assert event_of(service) == {**data, "cloudevent": {"id": "c1", "source": "/shop", "type": "note", "time": NOW_TEXT}}


async def test_type_and_time_go_where_the_rules_look_for_them(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.event_plan = nested_plan()
    for data in ({}, {"meta": {"who": 1}}, {"meta": 7}):
        await client.post("/events", json=cloudevent(data=data), headers=ONE)
    events = [submission.items[0] for submission in service.submissions]
    assert [event["meta"] for event in events if isinstance(event, dict)] == [
        {"kind": "note", "at": NOW_TEXT},
        {"who": 1, "kind": "note", "at": NOW_TEXT},
        7,
    ]


def nested_plan() -> EventPlan:
    return plan_with(replace(EVENTS, type=path("meta", "kind"), time=path("meta", "at")))


async def test_without_data_the_envelope_is_the_event(client: httpx.AsyncClient) -> None:
    for bare in (cloudevent(data=...), cloudevent(data=None)):
        assert (await client.post("/events", json=bare, headers=ONE)).status_code == 202
    assert (await client.post("/events", headers=BINARY)).status_code == 202


async def test_data_may_be_packed_as_base64(client: httpx.AsyncClient, service: DecodingService) -> None:
    packed = base64.b64encode(b'{"n": 2}').decode()
    response = await client.post("/events", json=cloudevent(data=..., data_base64=packed), headers=ONE)
    assert response.status_code == 202
    event = event_of(service)
    assert isinstance(event, dict)
    assert event["n"] == 2


async def test_attributes_in_headers_are_as_good_as_in_the_body(client: httpx.AsyncClient, service: DecodingService) -> None:
    headers = {**BINARY, "content-type": "application/json", "ce-subject": "caf%C3%A9%20%221%22", "CE-Color": '"light \\"red\\""'}

    response = await client.post("/events", json={"n": 1}, headers=headers)

    assert response.json()["accepted"] == 1
    attributes = {"id": "c1", "source": "/shop", "type": "note", "time": NOW_TEXT, "subject": 'café "1"', "color": 'light "red"'}
    assert event_of(service) == {"n": 1, "event_type": "note", "timestamp": NOW_TEXT, "cloudevent": attributes}


async def test_copies_are_known_though_every_delivery_has_a_trace_of_its_own(
    client: httpx.AsyncClient, service: DecodingService
) -> None:
    for trace in ("00-aa-bb-01", "00-cc-dd-01"):
        await client.post("/events", json=cloudevent(traceparent=trace, tracestate=trace), headers=ONE)
    first, second = (submission.items for submission in service.submissions)
    assert first == second


@pytest.mark.parametrize(
    ("members", "code", "pointer", "words"),
    [
        ({"id": ...}, "bad_cloudevent", "/id", "no member `id`"),
        ({"id": None}, "bad_cloudevent", "/id", "no member `id`"),
        ({"id": ""}, "bad_cloudevent", "/id", "an empty string"),
        ({"id": 7}, "bad_cloudevent", "/id", "expected a string"),
        ({"source": ...}, "bad_cloudevent", "/source", "no member `source`"),
        ({"source": "a b"}, "bad_cloudevent", "/source", "uri-reference"),
        ({"type": ...}, "bad_cloudevent", "/type", "no member `type`"),
        ({"specversion": "0.3"}, "bad_cloudevent", "/specversion", "expected exactly `1.0`"),
        ({"specversion": ...}, "bad_cloudevent", "/specversion", "no member `specversion`"),
        ({"time": "yesterday"}, "bad_cloudevent", "/time", "expected a time such as"),
        ({"subject": ""}, "bad_cloudevent", "/subject", "an empty string"),
        ({"Color": "red"}, "bad_cloudevent", "", "a name that"),
        ({"color": {"r": 1}}, "bad_cloudevent", "/color", "expected true or false or a whole number or a string"),
        ({"data": "{}"}, "not_an_object", "/data", "`data` is the string `{}`"),
        ({"data": [1]}, "not_an_object", "/data", "`data` is an array"),
        ({"data": {"cloudevent": 1}}, "reserved_member", "/data/cloudevent", "rename or remove"),
        ({"data_base64": "e30="}, "bad_cloudevent", "/data_base64", "both `data` and `data_base64`"),
        ({"data": ..., "data_base64": "e30"}, "bad_cloudevent", "/data_base64", "JSON in Base64"),
        ({"data": ..., "data_base64": "bm8="}, "bad_cloudevent", "/data_base64", "JSON in Base64"),
        ({"datacontenttype": "text/xml", "data": "<a/>"}, "unsupported_data", "/datacontenttype", "`text/xml` is not taken"),
        ({"type": "nope"}, "unknown_type", "/event_type", "no declared event type"),
        ({"time": ...}, "missing_time", "/timestamp", "`timestamp` is missing"),
    ],
)
async def test_one_that_is_wrong_is_told_so_and_the_others_of_its_batch_go_on(
    client: httpx.AsyncClient, members: JsonObject, code: str, pointer: str, words: str
) -> None:
    response = await client.post("/events", json=[cloudevent(), cloudevent(**members), cloudevent()], headers=MANY)

    assert (response.status_code, response.json()["accepted"]) == (207, 2)
    (result,) = response.json()["results"]
    assert (result["index"], result["status"], result["code"], result.get("pointer", "")) == (1, "rejected", code, pointer)
    assert words in result["message"]
    alone = await client.post("/events", json=cloudevent(**members), headers=ONE)
    assert alone.status_code == 422
    assert alone.json()["results"][0]["message"] == result["message"]


@pytest.mark.parametrize("item", [7, None, "x", [], [[]]])
async def test_what_is_no_object_in_a_batch_costs_itself_alone(client: httpx.AsyncClient, item: object) -> None:
    response = await client.post("/events", json=[item, cloudevent()], headers=MANY)
    assert (response.status_code, response.json()["results"][0]["code"]) == (207, "not_an_object")


async def test_digits_are_lost_in_no_mode(client: httpx.AsyncClient) -> None:
    big = orjson.dumps(cloudevent(data={"n": 0})).replace(b'"n":0', b'"n":123456789012345678901')
    packed = base64.b64encode(b'{"n":123456789012345678901}').decode()
    answers = [
        await client.post("/events", content=big, headers=ONE),
        await client.post("/events", content=b"[" + big + b"]", headers=MANY),
        await client.post("/events", json=cloudevent(data=..., data_base64=packed), headers=ONE),
        await client.post("/events", content=b'{"n":123456789012345678901}', headers=BINARY),
    ]
    assert [answer.json()["results"][0]["code"] for answer in answers] == ["number_range"] * 4
    assert [answer.json()["results"][0]["pointer"] for answer in answers] == ["/data/n", "/data/n", "/n", "/n"]


async def test_nesting_and_long_digits_together_are_too_deep(client: httpx.AsyncClient) -> None:
    deep = b'{"a":' * 1_000 + b"123456789012345678901" + b"}" * 1_000
    body = orjson.dumps(cloudevent(data=...))[:-1] + b',"data":' + deep + b"}"
    assert (await client.post("/events", content=body, headers=ONE)).json()["results"][0]["code"] == "too_deep"
    assert (await client.post("/events", content=deep, headers=BINARY)).json()["results"][0]["code"] == "too_deep"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ce-id", None, "no member `id`"),
        ("ce-specversion", "2.0", "expected exactly `1.0`"),
        ("ce-time", "now", "expected a time"),
        ("ce-subject", "%ff", "header `ce-subject` is not UTF-8"),
        ("ce-a_b", "1", "a name that"),
    ],
)
async def test_a_header_that_is_wrong_is_told(client: httpx.AsyncClient, name: str, value: str | None, words: str) -> None:
    headers = {key: text for key, text in {**BINARY, name: value}.items() if text is not None}
    response = await client.post("/events", json={}, headers=headers)
    assert (response.status_code, response.json()["results"][0]["code"]) == (422, "bad_cloudevent")
    assert words in response.json()["results"][0]["message"]


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"[]", ONE, (400, "not_an_event")),
        (b"{}", MANY, (400, "not_an_event")),
        (b"{", ONE, (400, "invalid_json")),
        (b"[", MANY, (400, "invalid_json")),
        (b"{", BINARY, (400, "invalid_json")),
        (b"[" + b"{}," * 50 + b"{}]", MANY, (413, "too_many_events")),
        (b"<a/>", {**BINARY, "content-type": "text/xml"}, (415, "unsupported_content_type")),
        (b"{}", {"content-type": "application/cloudevents+avro"}, (415, "unsupported_content_type")),
    ],
)
async def test_a_body_that_is_wrong_as_a_whole_is_a_problem(
    client: httpx.AsyncClient, service: DecodingService, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem_of(await client.post("/events", content=content, headers=headers)) == expected
    assert service.submissions == []
