"""`POST /rules/explain` takes no more than a body may have, and is for administrators."""

from collections.abc import Mapping

import httpx
import pytest
from pydantic import SecretStr

from engine.event import JsonObject
from engine.ingress.access import AccessPolicy
from engine.ingress.explain_endpoint import explain_endpoints
from engine.ingress.http import create_app
from tests.unit.ingress.services import MAX_BODY_BYTES, DecodingService, problem_of

INGEST, ADMIN = "ingest-token-0000001", "admin-token-00000001"


async def explain(item: bytes | JsonObject, given: Mapping[str, JsonObject | None], rule_id: str | None) -> JsonObject:
    return {"item": item.decode() if isinstance(item, bytes) else item, "given": dict(given), "rule": rule_id}


async def ask(content: bytes, token: str = ADMIN) -> httpx.Response:
    endpoints = explain_endpoints(explain, DecodingService.limits)
    app = create_app(DecodingService(), endpoints, AccessPolicy([SecretStr(INGEST)], [SecretStr(ADMIN)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post("/rules/explain?rule=quick", content=content, headers={"Authorization": f"Bearer {token}"})


async def test_a_question_is_an_event_or_an_event_with_contexts() -> None:
    alone, with_contexts = await ask(b'{"event": 1}'), await ask(b'{"event": {"a": 1}, "given": {"user": null}}')

    assert alone.json() == {"item": '{"event": 1}', "given": {}, "rule": "quick"}
    assert with_contexts.json() == {"item": {"a": 1}, "given": {"user": None}, "rule": "quick"}


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"[" + b" " * MAX_BODY_BYTES + b"]", (413, "body_too_large")),
        (b'"text"', (400, "bad_question")),
        (b'{"event": {}, "given": []}', (422, "bad_question")),
        (b'{"event": {"n": 18446744073709551616}}', (422, "bad_question")),
    ],
)
async def test_what_is_no_question_is_refused(content: bytes, refusal: tuple[int, str]) -> None:
    assert problem_of(await ask(content)) == refusal


async def test_a_token_for_ingest_explains_nothing() -> None:
    assert (await ask(b"{}", INGEST)).status_code == 403
