"""The HTTP source against a real service."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from engine.enrichment.kinds import build_place
from engine.enrichment.sources.http import HttpSource
from engine.errors import LookupFailed, SettingsInvalid
from engine.rules.model import SourceSpec
from engine.rules.source_settings import BUILT_IN_SOURCES
from engine.settings import RedisSettings
from engine.testing import ManualClock
from tests.integration.user_service import UserService, user_service

USERS = {"u1": {"plan": "free"}, "u2": {"plan": "paid"}, "a/b?c&d": {"odd": True}, "a,b": {"comma": True}}
DEFAULTS = {name: setting.default for name, setting in BUILT_IN_SOURCES["http"].settings.items() if setting.default is not None}


@pytest.fixture
async def service() -> AsyncIterator[UserService]:
    async with user_service(dict(USERS)) as running:
        yield running


@asynccontextmanager
async def source(service: UserService, **settings: Any) -> AsyncIterator[HttpSource]:
    spec = SourceSpec("http", {**DEFAULTS, "url": f"{service.url}/users/{{key}}", **settings})
    built = build_place(spec, ManualClock(), RedisSettings())
    try:
        yield cast("HttpSource", built)
    finally:
        await built.close()


async def test_an_object_is_an_answer_and_404_is_one_too(service: UserService) -> None:
    async with source(service) as users:
        assert await users.lookup(["u1"]) == {"u1": {"plan": "free"}}
        assert await users.lookup(["nobody"]) == {}


async def test_a_key_is_sent_as_one_piece_whatever_it_holds(service: UserService) -> None:
    async with source(service) as users:
        assert await users.lookup(["a/b?c&d"]) == {"a/b?c&d": {"odd": True}}
        for key in ("", ".", ".."):
            assert await users.lookup([key]) == {}

    assert service.asked == ["/users/a%2Fb%3Fc%26d"]


async def test_a_url_of_its_own_form_is_kept(service: UserService) -> None:
    async with source(service, url=f"{service.url}/users/{{key}}?from=a%20b&like={{key}}") as users:
        assert await users.lookup(["u1"]) == {"u1": {"plan": "free"}}

    assert service.asked == ["/users/u1?from=a%20b&like=u1"]


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 410, 429, 500, 503])
async def test_any_other_status_is_a_failure_that_names_it(service: UserService, status: int) -> None:
    service.status = status
    async with source(service) as users:
        with pytest.raises(LookupFailed, match=str(status)):
            await users.lookup(["u1"])

    assert len(service.asked) == 1


@pytest.mark.parametrize(("body", "reason"), [(b"{", "not JSON"), (b"", "not JSON"), (b"[1]", "no object"), (b"7", "no object")])
async def test_an_answer_that_is_no_json_object_is_a_failure(service: UserService, body: bytes, reason: str) -> None:
    service.body = body
    async with source(service) as users:
        with pytest.raises(LookupFailed, match=reason):
            await users.lookup(["u1"])


async def test_null_means_that_there_is_nothing(service: UserService) -> None:
    service.body = b"null"
    async with source(service) as users:
        assert await users.lookup(["u1"]) == {}


async def test_an_answer_above_its_bound_is_a_failure_and_one_at_it_is_not(service: UserService) -> None:
    service.body = json.dumps({"x": "y" * 1_000}).encode()
    async with source(service, max_answer_bytes=len(service.body)) as users:
        assert "u1" in await users.lookup(["u1"])
    async with source(service, max_answer_bytes=len(service.body) - 1) as users:
        with pytest.raises(LookupFailed, match="max_answer_bytes"):
            await users.lookup(["u1"])


async def test_headers_are_sent_and_cookies_are_not_kept(service: UserService) -> None:
    async with source(service, headers={"Authorization": "Bearer secret"}) as users:
        await users.lookup(["u1"])

    assert service.headers[0]["Authorization"] == "Bearer secret"
    assert service.headers[0]["Accept"] == "application/json"


@pytest.mark.parametrize("array", [False, True])
async def test_many_keys_are_one_request_answered_by_an_object_or_an_array(service: UserService, array: bool) -> None:
    service.array = array
    async with source(service, batch_url=f"{service.url}/users?ids={{keys}}", batch_size=10) as users:
        assert users.limits.max_keys == 10
        found = await users.lookup(["u1", "nobody", "u2"])

    assert {key: row["plan"] for key, row in found.items()} == {"u1": "free", "u2": "paid"}
    assert service.asked == ["/users?ids=u1,nobody,u2"]


async def test_a_key_with_a_comma_and_one_that_is_alone_go_without_a_batch(service: UserService) -> None:
    async with source(service, batch_url=f"{service.url}/users?ids={{keys}}") as users:
        assert set(await users.lookup(["u1", "a,b", "u2"])) == {"u1", "u2", "a,b"}
        assert await users.lookup(["u1"]) == {"u1": {"plan": "free"}}

    assert service.asked == ["/users?ids=u1,u2", "/users/a%2Cb", "/users/u1"]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, None, "404"),
        (200, b"7", "neither"),
        (200, b'[{"plan": "free"}]', "`id`"),
        (200, b"[7]", "`id`"),
    ],
)
async def test_a_batch_that_is_answered_otherwise_is_a_failure(
    service: UserService, status: int, body: bytes | None, reason: str
) -> None:
    service.status, service.body = status, body
    async with source(service, batch_url=f"{service.url}/users?ids={{keys}}") as users:
        with pytest.raises(LookupFailed, match=reason):
            await users.lookup(["u1", "u2"])


async def test_null_in_a_batch_is_not_there_and_what_was_not_asked_for_is_left_out(service: UserService) -> None:
    service.body = b'{"u1": null, "u2": {"plan": "paid"}, "u3": {"plan": "free"}}'
    async with source(service, batch_url=f"{service.url}/users?ids={{keys}}") as users:
        assert await users.lookup(["u1", "u2"]) == {"u2": {"plan": "paid"}}


async def test_a_service_that_is_not_there_is_a_failure_without_the_secrets_of_the_url() -> None:
    async with user_service({}) as gone:
        pass
    async with source(gone, url=f"{gone.url}/users/{{key}}?token=secret") as users:
        with pytest.raises(LookupFailed, match="no connection to ") as failed:
            await users.lookup(["u1"])

    assert "secret" not in str(failed.value)


def test_a_url_that_cannot_be_used_is_an_error_at_the_start() -> None:
    with pytest.raises(SettingsInvalid, match="Port out of range"):
        build_place(SourceSpec("http", {**DEFAULTS, "url": "http://host:99999/{key}"}), ManualClock(), RedisSettings())
