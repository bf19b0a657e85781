"""Rows that no event can carry: what becomes of their keys, and of everything else that was asked for with them."""

import logging
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from engine.errors import LookupFailed
from engine.ports import Context
from engine.rules.model import Breaker
from engine.testing import ManualClock
from tests.unit.enrichment.scripted import ScriptedSource, contexts

_CONTENT = "what stands in a row"


def _nested(levels: int) -> object:
    value: object = _CONTENT
    for _ in range(levels):
        value = {"in": value}
    return value


UNUSABLE = [
    pytest.param(["not", "an", "object"], id="no object"),
    pytest.param(None, id="null"),
    pytest.param(_nested(900), id="nested too deeply"),
    pytest.param({"plan": object()}, id="no JSON"),
    pytest.param({"plan": 1 << 80}, id="a number beyond 64 bits"),
    pytest.param({"plan": "\ud800"}, id="half a character"),
    pytest.param({7: "free"}, id="a name that is no text"),
    pytest.param(LookupFailed("it cannot be read"), id="what the source says itself"),
]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.parametrize("row", UNUSABLE)
async def test_a_row_that_no_event_can_carry_is_a_failure_of_its_key_alone(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, row: object
) -> None:
    source = ScriptedSource({"u1": row, "u2": {"plan": "free"}}, max_keys=10)  # type: ignore[dict-item]
    user = contexts(clock, source, breaker=Breaker(failures=1), default=(("plan", "none"),))

    found = await user.fetch(["u1", "u2", "u3"])
    with caplog.at_level(logging.WARNING):
        await user.fetch(["u1"])

    assert found == {
        "u1": Context({"plan": "none"}, "timeout"),
        "u2": Context({"plan": "free"}, "fresh"),
        "u3": Context({"plan": "none"}, "default"),
    }
    assert (user.breaker, user.counts.errors, user.counts.fetches) == ("closed", 2, 2)
    assert _CONTENT not in caplog.text


async def test_it_is_said_once_in_the_log_and_why(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    user = contexts(clock, ScriptedSource({"u1": ["x"], "u2": ["x"]}, max_keys=10))  # type: ignore[dict-item]
    for _ in range(3):
        await user.fetch(["u1", "u2"])

    assert [record.message for record in caplog.records] == [
        "enrichment source `user` (scripted): the row of a key cannot be used: it is no object; later ones are only counted, as its errors"
    ]


async def test_the_next_place_is_asked_for_the_key(clock: ManualClock) -> None:
    first, second = ScriptedSource({"u1": ["x"]}), ScriptedSource({"u1": {"plan": "paid"}})  # type: ignore[dict-item]

    assert await contexts(clock, first, second).fetch(["u1"]) == {"u1": Context({"plan": "paid"}, "fresh")}


async def test_what_is_wrong_in_a_field_that_is_not_wanted_is_no_matter(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": {"plan": "free", "rest": object()}})

    assert await contexts(clock, source, fields=("plan",)).fetch(["u1"]) == {"u1": Context({"plan": "free"}, "fresh")}


async def test_what_json_has_no_form_for_and_a_usual_one_is_that(clock: ManualClock) -> None:
    row = {
        "since": datetime(2026, 3, 2, 9, 17, tzinfo=UTC),
        "id": UUID(int=7),
        "ratio": float("nan"),
        "tags": ("a", "b"),
    }
    (context,) = (await contexts(clock, ScriptedSource({"u1": row})).fetch(["u1"])).values()

    assert context.value == {
        "since": "2026-03-02T09:17:00+00:00",
        "id": "00000000-0000-0000-0000-000000000007",
        "ratio": None,
        "tags": ["a", "b"],
    }


@pytest.mark.parametrize("levels", [252, 253])
async def test_a_row_may_be_as_deep_as_an_event_with_it_can_be_sent(clock: ManualClock, levels: int) -> None:
    (context,) = (await contexts(clock, ScriptedSource({"u1": _nested(levels)})).fetch(["u1"])).values()  # type: ignore[dict-item]

    assert context.status == ("fresh" if levels == 252 else "timeout")
    orjson.dumps({"enrichment": {"user": context.value}})
