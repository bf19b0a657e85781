"""An event to begin with, as rules of several forms need it."""

from dataclasses import replace

import pytest

from engine.event import JsonObject
from engine.ingress.example_event import example_event
from engine.rules.model import Deduplication, Events, EventType, Path, Ruleset
from engine.rules.plan_events import compile_events
from tests.unit.ingress.samples import DAY_MS, EVENTS, NOW_MS, NOW_TEXT, path

ORDERS = replace(EVENTS, key=path("customer", "id"), types={"order": EventType("order")})
MARKED = {"event_type": "order", "timestamp": NOW_TEXT}


def identity(*paths: Path) -> dict[str, Deduplication]:
    return {"order": Deduplication("order", paths, DAY_MS)}


@pytest.mark.parametrize(
    ("events", "deduplication", "example"),
    [
        (ORDERS, {}, {**MARKED, "customer": {"id": "id_1"}}),
        (ORDERS, identity(path("order_id")), {**MARKED, "customer": {"id": "id_1"}, "order_id": "order_1"}),
        (ORDERS, identity(path("customer", "id"), path("event_type")), {**MARKED, "customer": {"id": "id_1"}}),
        (ORDERS, identity(path("customer"), path("lines", 0)), {**MARKED, "customer": {"id": "id_1"}}),
        (replace(ORDERS, key=path("timestamp", "day")), {}, MARKED),
        (replace(ORDERS, key=None, type=path("meta", "kind")), {}, {"meta": {"kind": "order"}, "timestamp": NOW_TEXT}),
        (replace(ORDERS, key=None, types={}), {}, {"event_type": "example", "timestamp": NOW_TEXT}),
    ],
)
def test_it_has_a_value_wherever_the_rules_read_one(
    events: Events, deduplication: dict[str, Deduplication], example: JsonObject
) -> None:
    assert example_event(compile_events(Ruleset(digest="0", events=events, deduplication=deduplication)), NOW_MS) == example
