"""`Rulemill-Explain: 1` on `POST /events`: the answer says what the rules did, to whoever may know, and nothing else is other than without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from engine.app import SOURCE_KINDS, build_processor
from engine.ingress.access import AccessPolicy
from engine.ingress.http import create_app
from engine.operations.activity import Activity
from engine.operations.in_service import OneProcess
from engine.operations.observe import LiveParts
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.service import EngineService
from engine.operations.start import start_rules
from engine.operations.witness import Witness
from engine.pipeline.onlookers import Onlookers
from engine.pipeline.processor import Options
from engine.ports import RequestLimits
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress

NOW_MS = 1_772_442_000_000
EXPLAIN = {"Rulemill-Explain": "1"}
ADMIN, INGEST = "admin-token-00000001", "ingest-token-0000001"
RULES = """\
version: 1
events: {type: kind, time: at, types: {answer: {}}}
deduplication: {answer: {key: id, ttl: 24h}}
enrichment: {sources: {person: {lookup: user, from: {file: {path: people.json}}}}}
aggregations: {all: {key: {}, window: {tumbling: 1h}, max_keys: 1, measures: {n: count}}}
filters:
  robots: {when: {agent: robot}, then: {block: {reason: robot}}}
  quick: {when: {took_ms: {lt: 1000}}, then: [{allow: {mark: quick}}, {transform: {set: {took_ms: 0}}}]}
  premium: {when: {person.plan: premium, took_ms: 0}, then: {allow: {mark: premium}}}
"""


class Engine:
    """A running engine behind HTTP, and what it sent out."""

    def __init__(self, client: httpx.AsyncClient, egress: RecordingEgress, onlookers: Onlookers) -> None:
        self.client = client
        self.egress = egress
        self.onlookers = onlookers

    async def post(self, content: object, **headers: str) -> httpx.Response:
        return await self.client.post("/events", json=content, headers=headers)


@asynccontextmanager
async def running(directory: Path, *, received: bool = False, policy: AccessPolicy | None = None) -> AsyncIterator[Engine]:
    (directory / "rules.yaml").write_text(RULES)
    (directory / "people.json").write_text('{"u1": {"plan": "premium"}}')
    clock, egress, onlookers = ManualClock(NOW_MS), RecordingEgress(), Onlookers()
    on_disk = RulesOnDisk(directory, {}, SOURCE_KINDS, clock, 0)
    start = start_rules(on_disk, None, NOW_MS)
    assert start.state is not None, start.report
    processor = build_processor(
        start.state.active.plan,
        store=MemoryStateStore(clock),
        egress=egress,
        dead_letters=RecordingDeadLetters(),
        clock=clock,
        options=Options(ack_received=received),
        topic="out",
        onlookers=onlookers,
    )
    reloader = Reloader(OneProcess(processor), on_disk, start.state, start.mark, None)
    live = LiveParts(processor, Activity(clock, lambda: 0, lambda: 0), "memory", "file", lambda: None, NOW_MS)
    service = EngineService(live, RequestLimits(100_000, 100, max_explained=3), reloader)
    app = create_app(service, (), policy or AccessPolicy(), Witness(onlookers))
    task = asyncio.create_task(processor.run())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield Engine(client, egress, onlookers)
    processor.drain()
    await task
    await reloader.close()


def answer(identity: str, **members: object) -> dict[str, Any]:
    return {"kind": "answer", "id": identity, "at": NOW_MS, "user": "u1", **members}


async def test_each_event_comes_with_what_the_rules_did_to_it(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        response = await engine.post([answer("a", took_ms=640), answer("b", agent="robot"), answer("a", took_ms=640)], **EXPLAIN)

    assert response.status_code == 202, response.text
    accepted, blocked, copy = (result["explanation"] for result in response.json()["results"])
    assert accepted["outcome"] == {"status": "accepted"}
    assert accepted["enrichment"]["person"] == {"plan": "premium"}
    assert accepted["decision"]["marks"] == ["quick", "premium"]
    assert [rule["state"] for rule in accepted["filters"]] == ["unknown", "matched", "matched"]
    assert accepted["filters"][1]["condition"]["value"] == 640, "as the filter saw it, though it is another now"
    assert accepted["event"]["took_ms"] == 0
    assert accepted["aggregations"][0]["counted"] is True
    assert blocked["outcome"]["code"] == "robots"
    assert [rule["state"] for rule in blocked["filters"]] == ["matched", "not_reached", "not_reached"]
    assert copy["outcome"] == {"status": "duplicate"}
    assert "filters" not in copy, "a copy never came to the filters"


async def test_without_the_header_and_with_0_answers_and_records_are_the_same(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        plain = await engine.post(answer("a", took_ms=1))
        off = await engine.post(answer("b", took_ms=1), **{"Rulemill-Explain": "0"})
        asked = await engine.post(answer("c", took_ms=1), **EXPLAIN)

    (plain_result,), (off_result,), (asked_result,) = (response.json()["results"] for response in (plain, off, asked))
    assert plain_result == {"index": 0, "id": "a", "status": "accepted"}
    assert off_result == {"index": 0, "id": "b", "status": "accepted"}
    explanation = asked_result.pop("explanation")
    assert asked_result == {"index": 0, "id": "c", "status": "accepted"}
    assert explanation["decision"]["marks"] == ["quick", "premium"]
    texts = [
        record.value.decode().replace(f'"{identity}"', '"x"')
        for record, identity in zip(engine.egress.records, "abc", strict=True)
    ]
    assert len(set(texts)) == 1, "a record says nothing of whether somebody looked on"


async def test_more_events_than_are_explained_at_once_are_refused_before_any_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        response = await engine.post([answer(str(number)) for number in range(4)], **EXPLAIN)

    assert (response.status_code, response.json()["code"]) == (413, "too_many_to_explain")
    assert "brings 4" in response.json()["detail"]
    assert engine.egress.records == []


async def test_another_value_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        response = await engine.post(answer("a"), **{"Rulemill-Explain": "yes"})

    assert (response.status_code, response.json()["code"]) == (400, "bad_header")
    assert engine.egress.records == []


async def test_it_takes_a_token_for_administration_where_there_are_tokens(tmp_path: Path) -> None:
    policy = AccessPolicy([SecretStr(INGEST)], [SecretStr(ADMIN)])
    async with running(tmp_path, policy=policy) as engine:
        refused = await engine.post(answer("a"), Authorization=f"Bearer {INGEST}", **EXPLAIN)
        plain = await engine.post(answer("b"), Authorization=f"Bearer {INGEST}")
        asked = await engine.post(answer("c"), Authorization=f"Bearer {ADMIN}", **EXPLAIN)

    assert (refused.status_code, refused.json()["code"]) == (403, "token_for_ingest")
    assert (plain.status_code, asked.status_code) == (202, 202)
    assert "explanation" in asked.json()["results"][0]


async def test_an_event_that_was_answered_before_it_came_to_the_filters_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, received=True) as engine:
        response = await engine.post(answer("a"), **EXPLAIN)

    (result,) = response.json()["results"]
    assert "before it came to the filters" in result["explanation"]["note"]


async def test_an_onlooker_that_raises_costs_no_event_anything(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        engine.onlookers.join(lambda _plan, _events: 1 / 0)  # type: ignore[arg-type, return-value]
        response = await engine.post(answer("a", took_ms=1), **EXPLAIN)

    assert response.json()["accepted"] == 1
    assert response.json()["results"][0]["explanation"]["decision"]["marks"] == ["quick", "premium"]
