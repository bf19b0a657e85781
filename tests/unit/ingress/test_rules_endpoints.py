"""The endpoints about rules, over a real reloader; their answers are what they describe."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.http import create_app
from engine.ingress.shadow_endpoints import shadow_endpoints
from engine.operations.activity import Activity
from engine.operations.observe import LiveParts
from engine.operations.service import EngineService
from engine.ports import RequestLimits
from engine.rules.times import parse_time
from tests.unit.operations.rules_project import BROKEN, Project, running


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def no_shadow(*, reload: bool) -> tuple[bool, JsonObject]:
    """What nobody asks for here."""
    return reload, {}


class Caller:
    """Calls the endpoints and holds every answer to its description."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, method: str, url: str) -> tuple[int, dict[str, Any]]:
        answer = await self._http.request(method, url)
        description = (await self._http.get("/openapi.json")).json()
        operation = description["paths"][url.partition("?")[0]][method.lower()]
        described = operation["responses"][str(answer.status_code)]
        ((media_type, content),) = described["content"].items()
        assert answer.headers["content-type"] == media_type
        body: dict[str, Any] = answer.json()
        jsonschema.validate(body, {**content["schema"], "components": description["components"]})
        return answer.status_code, body


@asynccontextmanager
async def called(project: Project, more: Sequence[Endpoint] = ()) -> AsyncIterator[Caller]:
    async with running(project) as parts:
        activity = Activity(parts.clock, lambda: 0, lambda: 0)
        live = LiveParts(parts.processor, activity, "memory", "recording", lambda: None, parts.clock.now_ms())
        service = EngineService(live, RequestLimits(1_000, 10), parts.reloader)
        transport = httpx.ASGITransport(create_app(service, more))
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as http:
            yield Caller(http)


async def test_the_rules_in_service_are_shown_with_what_they_hold(project: Project) -> None:
    async with called(project) as call:
        status, shown = await call("GET", "/rules")

    assert (status, shown["origin"], shown["rejected"]) == (200, "directory", None)
    assert shown["sections"]["filters"] == [{"id": "small", "mode": "enforce"}]
    assert shown["sections"]["event_types"] == ["answer"]
    assert [Path(name).name for name in shown["files"]] == ["filters.yaml", "rules.yaml", "answer.json"]


async def test_an_event_to_begin_with_has_what_the_rules_read(project: Project) -> None:
    async with called(project) as call:
        _, shown = await call("GET", "/rules")

    at = shown["example"].pop("at")
    assert parse_time(at) is not None
    assert shown["example"] == {"kind": "answer", "user": "user_1", "id": "id_1"}


async def test_whether_there_is_a_shadow_is_said_where_the_rules_are(project: Project) -> None:
    async with called(project) as call:
        _, alone = await call("GET", "/rules")
    async with called(project, shadow_endpoints(no_shadow)) as call:
        _, followed = await call("GET", "/rules")

    assert (alone["shadow"], followed["shadow"]) == (False, True)


async def test_a_good_change_is_answered_with_what_it_changed(project: Project) -> None:
    async with called(project) as call:
        project.mark("two")
        _, dry = await call("POST", "/rules/reload?dry_run=true")
        _, before = await call("GET", "/rules")
        status, done = await call("POST", "/rules/reload")
        _, after = await call("GET", "/rules")

    assert status == 200
    assert (dry["swapped"], dry["dry_run"], done["swapped"], done["dry_run"]) == (True, True, True, False)
    assert dry["changes"] == done["changes"]
    assert done["changes"]["filters"] == {"added": [], "removed": [], "changed": ["small"]}
    assert (before["ruleset"], after["ruleset"]) == (done["before"], done["ruleset"])
    assert (before["replaced"], after["replaced"]) == (None, {"ruleset": done["before"], "changes": done["changes"]})


async def test_a_refusal_carries_its_findings_and_is_shown_until_it_is_mended(project: Project) -> None:
    async with called(project) as call:
        project.filters.write_text(BROKEN)
        status, refused = await call("POST", "/rules/reload")
        _, shown = await call("GET", "/rules")
        project.mark("one")
        mended, _ = await call("POST", "/rules/reload")
        _, after = await call("GET", "/rules")

    assert (status, refused["code"], refused["errors"]) == (422, "rules_refused", 1)
    assert refused["findings"][0]["help"] == "did you mean `filters`?"
    line, mark = refused["findings"][0]["excerpt"].split("\n")
    assert line.endswith(BROKEN.splitlines()[1])
    assert mark.endswith("| ^^^^^^")
    assert shown["rejected"]["findings"] == refused["findings"]
    assert (mended, after["rejected"]) == (200, None)


async def test_a_query_that_is_not_understood_changes_nothing(project: Project) -> None:
    async with called(project) as call:
        project.mark("two")
        status, problem = await call("POST", "/rules/reload?dry_run=maybe")
        _, shown = await call("GET", "/rules")

    assert (status, problem["code"]) == (400, "bad_query")
    assert shown["reload"]["accepted"] == 0
