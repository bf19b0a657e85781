"""Tokens: who may call what, what is told to those who may not, and when the service does not start without."""

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import SettingsInvalid
from engine.ingress.access import AccessPolicy, access_policy
from engine.ingress.endpoints import Endpoint
from engine.ingress.http import create_app
from engine.ingress.responses import json_response
from engine.settings import HttpSettings
from tests.unit.ingress.samples import note
from tests.unit.ingress.services import DecodingService, problem_of

INGEST, INGEST_2, ADMIN = "ingest-token-0000001", "ingest-token-0000002", "admin-token-00000001"


def client_of(policy: AccessPolicy) -> httpx.AsyncClient:
    async def secret(_: Request) -> Response:
        return json_response({})

    app = create_app(DecodingService(), [Endpoint("GET", "/secret", secret, {})], policy)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def both() -> AccessPolicy:
    return AccessPolicy([SecretStr(INGEST), SecretStr(INGEST_2)], [SecretStr(ADMIN)])


async def test_each_token_opens_what_it_is_for() -> None:
    async with client_of(both()) as client:
        for token, events, others in ((INGEST, 202, 403), (INGEST_2, 202, 403), (ADMIN, 202, 200), ("unknown", 401, 401)):
            assert (await client.post("/events", json=note(), headers=bearer(token))).status_code == events
            for path in ("/processor/status", "/secret"):
                assert (await client.get(path, headers=bearer(token))).status_code == others


async def test_health_and_the_description_are_open_to_anybody() -> None:
    async with client_of(both()) as client:
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="rulemill"'),
        ({"authorization": "Basic YTpi"}, 'Bearer realm="rulemill"'),
        ({"authorization": INGEST}, 'Bearer realm="rulemill"'),
        (bearer(""), 'Bearer realm="rulemill", error="invalid_token"'),
        (bearer(INGEST[:-1]), 'Bearer realm="rulemill", error="invalid_token"'),
        (bearer(INGEST + "1"), 'Bearer realm="rulemill", error="invalid_token"'),
        (bearer("é" * 20), 'Bearer realm="rulemill", error="invalid_token"'),
    ],
)
async def test_without_a_known_token_the_answer_says_what_is_asked_for(headers: dict[str, str], challenge: str) -> None:
    async with client_of(both()) as client:
        response = await client.post("/events", content=b"{", headers=[(n.encode(), v.encode()) for n, v in headers.items()])
    assert problem_of(response) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == challenge
    assert INGEST[:-1] not in response.text


async def test_the_scheme_may_be_written_in_any_case() -> None:
    async with client_of(both()) as client:
        assert (await client.post("/events", json=note(), headers={"authorization": f"bearer {INGEST}"})).status_code == 202


async def test_a_token_for_ingest_is_told_that_it_is_not_enough() -> None:
    async with client_of(both()) as client:
        response = await client.get("/secret", headers=bearer(INGEST))
    assert problem_of(response) == (403, "token_for_ingest")
    assert response.headers["www-authenticate"] == 'Bearer realm="rulemill", error="insufficient_scope"'


async def test_a_kind_of_access_without_tokens_is_open() -> None:
    async with client_of(AccessPolicy(admin=[SecretStr(ADMIN)])) as client:
        assert (await client.post("/events", json=note())).status_code == 202
        assert (await client.get("/secret")).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "engine.example.org"])  # noqa: S104 - what is refused
def test_others_than_this_machine_are_let_in_with_tokens_or_by_name_only(host: str) -> None:
    tokens = {"ingest_tokens": INGEST, "admin_tokens": ADMIN}
    for given in ({}, {"ingest_tokens": INGEST}, {"admin_tokens": ADMIN}):
        missing = [f"http.{name}" for name in tokens if name not in given]
        with pytest.raises(SettingsInvalid) as refused:
            access_policy(HttpSettings.model_validate({"host": host, **given}))
        message = str(refused.value)
        assert message.count("\n") == 0
        assert all(name in message for name in (host, "HTTP_ALLOW_UNAUTHENTICATED", *missing))
        assert INGEST not in message
    access_policy(HttpSettings.model_validate({"host": host, **tokens}))
    access_policy(HttpSettings.model_validate({"host": host, "allow_unauthenticated": "true"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_tokens(host: str) -> None:
    access_policy(HttpSettings(host=host))


async def test_tokens_may_stand_in_a_file_and_are_added_to_those_that_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"\n{INGEST}\n\n  {INGEST_2}  \r\n")
    policy = access_policy(HttpSettings.model_validate({"ingest_tokens": "listed-token-000001", "ingest_tokens_file": file}))
    async with client_of(policy) as client:
        for token, status in ((INGEST, 202), (INGEST_2, 202), ("listed-token-000001", 202), ("other-token-0000001", 401)):
            assert (await client.post("/events", json=note(), headers=bearer(token))).status_code == status


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "holds no token"),
        (b"short", "16 to 512"),
        (b"\xff" * 20, "not text"),
        (b"with blank in it 0000", "16 to 512"),
    ],
)
def test_a_token_file_that_cannot_be_used_is_a_fault_that_shows_nothing_of_it(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid) as refused:
        access_policy(HttpSettings(admin_tokens_file=file))
    message = str(refused.value)
    assert "http.admin_tokens_file" in message
    assert str(file) in message
    assert words in message
    assert "short" not in message
