"""A context that is given has the form that its source's own would have."""

import pytest

from engine.enrichment.given import GivenContexts
from engine.event import JsonObject
from engine.ports import Context
from engine.rules.model import Path, Source

LOOKUP = Path("user_id", ("user_id",))


async def found(contexts: GivenContexts) -> Context:
    answers = await contexts.fetch(["u1", "u2"])
    assert answers["u1"] == answers["u2"]
    return answers["u1"]


async def test_what_is_given_is_cut_to_the_fields_of_the_source() -> None:
    source = Source("user", LOOKUP, (), fields=("plan",))

    assert await found(GivenContexts(source, {"plan": "free", "age": 7})) == ({"plan": "free"}, "fresh")


@pytest.mark.parametrize(
    ("default", "nothing"), [(None, (None, "negative")), ({}, ({}, "default")), ({"plan": "free"}, ({"plan": "free"}, "default"))]
)
async def test_where_nothing_is_given_the_default_stands_in(default: JsonObject | None, nothing: tuple[object, str]) -> None:
    assert await found(GivenContexts(Source("user", LOOKUP, (), default=default), None)) == nothing


@pytest.mark.parametrize("fault", ["timeout", "breaker_open", "error"])
async def test_a_source_that_fails_finds_no_more_than_its_default(fault: str) -> None:
    contexts = GivenContexts(Source("user", LOOKUP, (), default={"plan": "none"}), {"plan": "premium"})
    contexts.fault = fault

    value, status = await found(contexts)

    assert value == {"plan": "none"}
    assert status == ("default" if fault == "error" else fault)


async def test_an_old_answer_is_better_than_none() -> None:
    contexts = GivenContexts(Source("user", LOOKUP, ()), {"plan": "premium"})
    contexts.fault = "stale"

    assert await found(contexts) == ({"plan": "premium"}, "stale")


async def test_each_look_up_is_counted_once_by_how_it_ended() -> None:
    contexts = GivenContexts(Source("user", LOOKUP, ()), {"plan": "premium"})

    await contexts.fetch(["u1", "u1", "u2"])
    contexts.fault = "breaker_open"
    await contexts.fetch(["u1"])

    assert (contexts.counts.lookups, contexts.counts.fetched, contexts.counts.breaker_open) == (4, 3, 1)
    assert contexts.breaker == "open"
