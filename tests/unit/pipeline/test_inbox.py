"""A full inbox costs about 1 kB an event above the event's own size, however the events came."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from engine.event import OUTCOME_ACCEPTED, JsonObject, Submission
from engine.ingress.bodies import Headers, Items, read_items
from engine.pipeline.inbox import Inbox
from engine.rules.compiler import compile_rules
from engine.rules.plan_events import EventPlan

EVENTS = 10_000
AT_ONCE = 100
EVENT = {f"member_{number}": f"value {number} of the event" for number in range(12)}
SIZE_BYTES = len(orjson.dumps(EVENT | {"id": EVENTS}))


def submission(items: Items) -> Submission:
    return Submission(items, input_name="test", received_ms=0, size_bytes=1, done=lambda _: None)


@pytest.fixture(scope="module")
def plan() -> EventPlan:
    plan = compile_rules(Path(__file__).parents[3] / "rules", {}).plan
    assert plan is not None
    return plan.events


def array(events: list[bytes]) -> bytes:
    return b"[" + b",".join(events) + b"]"


def cloud_events(events: list[bytes]) -> bytes:
    return array([b'{"specversion":"1.0","id":"a","source":"/s","type":"attempt","data":' + event + b"}" for event in events])


@pytest.mark.parametrize(
    ("content_type", "body_of"),
    [
        (b"application/json", array),
        (b"application/x-ndjson", b"\n".join),
        (b"application/cloudevents-batch+json", cloud_events),
    ],
)
def test_a_full_inbox_takes_a_kilobyte_for_each_event_and_the_event(
    content_type: bytes, body_of: Callable[[list[bytes]], bytes], plan: EventPlan
) -> None:
    inbox = Inbox(EVENTS, EVENTS * 1_000)
    headers: Headers = [(b"content-type", content_type)]
    tracemalloc.start()
    try:
        for first in range(0, EVENTS, AT_ONCE):
            events = [orjson.dumps(EVENT | {"id": number}) for number in range(first, first + AT_ONCE)]
            assert inbox.offer(submission(read_items(body_of(events), headers, plan, AT_ONCE)))
        del events
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert inbox.events == EVENTS
    assert size_bytes / EVENTS < SIZE_BYTES + 1_024


def test_what_has_waited_long_is_what_was_sent_and_in_its_order() -> None:
    inbox = Inbox(8, 1_000)
    events = [{"id": number, "text": "ü", "ratio": 0.1 + number} for number in range(8)]
    for event in events:
        assert inbox.offer(submission([event]))

    items = [taken.items[0] for taken in inbox.take(8)]

    assert [orjson.loads(item) if isinstance(item, bytes) else item for item in items] == events
    assert {type(item) for item in items[:6]} == {bytes}
    assert {type(item) for item in items[6:]} == {dict}


def test_what_does_not_wait_long_is_not_encoded_anew() -> None:
    inbox = Inbox(8, 1_000)
    for number in range(100):
        event: JsonObject = {"id": number}
        assert inbox.offer(submission([event]))
        assert [taken.items for taken in inbox.take(8)] == [[event]]


def test_an_item_that_is_no_object_or_too_deep_to_be_encoded_waits_as_it_is() -> None:
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"in": deep}
    inbox = Inbox(4, 1_000)
    waiting: Items = [deep, OUTCOME_ACCEPTED, {"id": 1}]
    for item in waiting:
        assert inbox.offer(submission([item]))

    assert [taken.items[0] for taken in inbox.take(4)][:2] == [deep, OUTCOME_ACCEPTED]
