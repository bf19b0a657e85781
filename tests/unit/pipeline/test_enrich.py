"""The enrich stage over real sources: what is put on events, what is asked for, and how look-ups are counted."""

from engine.event import Event, JsonObject, Submission
from engine.metrics import Counters
from engine.pipeline.enrich import Enricher
from engine.rules.model import Cache, Derived, Enrichment, Events, Path, Ruleset, Source
from engine.rules.plan import Plan, make_plan
from engine.testing import ManualClock
from tests.unit.enrichment.scripted import ScriptedSource, contexts


def path(text: str) -> Path:
    return Path(text, (text,))


def plan_of(*derived: Derived) -> Plan:
    sources = {name: Source(name, path(f"{name}_id"), ()) for name in ("user", "item")}
    enrichment = Enrichment(sources=sources, derived={field.name: field for field in derived})
    return make_plan(Ruleset("0123456789ab", Events(path("kind"), path("at"), None), enrichment=enrichment))


def event(**members: object) -> Event:
    data: JsonObject = dict(members)
    submission = Submission([data], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None)
    return Event(data, None, "t", 0, None, None, 0, 0, submission, 0)


async def test_every_look_up_is_counted_once_whether_its_event_had_to_wait_or_not() -> None:
    clock, counters = ManualClock(), Counters()
    users, items = ScriptedSource({"u1": {"plan": "free"}}), ScriptedSource({"i1": {"level": 2}})
    user = contexts(clock, users, cache=Cache(local_ttl_ms=60_000, negative_ttl_ms=60_000))
    item = contexts(clock, items, cache=Cache(local_ttl_ms=60_000))
    await user.fetch(["u1", "nobody"])
    events = [event(user_id="u1", item_id="i1"), event(user_id="u1"), event(user_id="nobody", item_id="i1"), event(n=1)]

    await Enricher({"user": user, "item": item}, counters).enrich(events, plan_of())

    assert [one.data["enrichment"] for one in events] == [
        {"user": {"plan": "free"}, "item": {"level": 2}, "derived": {}, "status": {"user": "fresh", "item": "fresh"}},
        {"user": {"plan": "free"}, "derived": {}, "status": {"user": "fresh"}},
        {"item": {"level": 2}, "derived": {}, "status": {"user": "negative", "item": "fresh"}},
        {"derived": {}, "status": {}},
    ]
    assert (users.calls, items.calls) == ([["u1"], ["nobody"]], [["i1"]])
    assert (user.counts.lookups, user.counts.fetched, user.counts.negative, user.counts.hits_local) == (5, 1, 2, 2)
    assert (item.counts.lookups, item.counts.fetched) == (2, 2)
    assert counters.events_enriched == 3


async def test_a_derived_field_that_raises_costs_itself_and_is_counted() -> None:
    counters = Counters()
    broken = Derived("broken", "bucket", (path("n"), ("not a number",), ("low", "high")))
    fine = Derived("fine", "ratio", (path("n"), 2))
    enricher = Enricher(
        {"user": contexts(ManualClock(), ScriptedSource()), "item": contexts(ManualClock(), ScriptedSource())}, counters
    )
    events = [event(n=3), event(n="text")]

    await enricher.enrich(events, plan_of(fine, broken))

    assert [one.data["enrichment"] for one in events] == [{"derived": {"fine": 1.5}, "status": {}}, {"derived": {}, "status": {}}]
    assert counters.derive_errors == 1
