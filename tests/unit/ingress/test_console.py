"""The console as it is served: who may have it, what a browser is told about it, and that it needs nothing from elsewhere."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from pydantic import SecretStr

from engine.ingress.access import AccessPolicy
from engine.ingress.http import create_app
from tests.unit.ingress.services import DecodingService

OUTSIDE = re.compile(r"""(?:https?:)?//[\w.-]+\.\w+""")
SVG = "http://www.w3.org/2000/svg"
"""The name of a language, which nobody fetches."""


class Attributes(HTMLParser):
    """What a page has in its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
async def reader() -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token, of a service that asks for them."""
    policy = AccessPolicy([SecretStr("ingest-token-0000001")], [SecretStr("admin-token-00000001")])
    transport = httpx.ASGITransport(create_app(DecodingService(), policy=policy))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as http:
        yield http


async def parts_of(reader: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """The page, and every file that the description says is a part of it."""
    paths = (await reader.get("/openapi.json")).json()["paths"]
    return {path: await reader.get(path) for path in paths if path == "/" or path.startswith("/console/")}


async def test_anybody_may_have_the_page_which_holds_nothing_of_the_engine(reader: httpx.AsyncClient) -> None:
    page = await reader.get("/")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text.startswith("<!doctype html>")
    assert (await reader.get("/processor/status")).status_code == 401


async def test_every_file_that_the_page_and_its_scripts_name_is_served_as_what_it_is(reader: httpx.AsyncClient) -> None:
    parts = await parts_of(reader)
    elements = Attributes(parts["/"].text).found
    named = {f"/{value}" for _, found in elements for name, value in found.items() if name in ("src", "href") and value}
    named = {name for name in named if not name.startswith("/#")}
    for path, part in parts.items():
        if path.endswith(".js"):
            named |= {f"/console/{name}" for name in re.findall(r'from "\./(.+)"', part.text)}

    assert named == parts.keys() - {"/"}
    kinds = {path.rpartition(".")[2]: part.headers["content-type"].partition(";")[0] for path, part in parts.items()}
    assert kinds == {"/": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert {part.status_code for part in parts.values()} == {200}


async def test_a_browser_is_told_to_load_and_ask_nothing_but_this_engine(reader: httpx.AsyncClient) -> None:
    for part in (await parts_of(reader)).values():
        policy = dict(rule.split(" ", 1) for rule in part.headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert {policy.pop(f"{what}-src") for what in ("script", "style", "img", "connect")} == {"'self'"}
        assert {policy.pop(what) for what in ("base-uri", "form-action", "frame-ancestors", "trusted-types")} == {"'none'"}
        assert policy == {"require-trusted-types-for": "'script'"}
        assert part.headers["x-content-type-options"] == "nosniff"


async def test_nothing_of_it_is_elsewhere_or_needs_what_the_policy_forbids(reader: httpx.AsyncClient) -> None:
    parts = await parts_of(reader)

    assert not [found for part in parts.values() for found in OUTSIDE.findall(part.text.replace(SVG, ""))]
    for tag, found in Attributes(parts["/"].text).found:
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]
        assert tag != "style"
        assert tag != "script" or found["src"]


async def test_a_file_that_a_browser_has_is_not_sent_again(reader: httpx.AsyncClient) -> None:
    first = await reader.get("/console/main.js")
    again = await reader.get("/console/main.js", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    other = await reader.get("/console/main.js", headers={"If-None-Match": '"other"'})

    assert (first.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")
    assert (other.status_code, other.content) == (200, first.content)


async def test_head_answers_as_get_does(reader: httpx.AsyncClient) -> None:
    get, head = await reader.get("/"), await reader.head("/")

    assert (head.status_code, head.headers) == (get.status_code, get.headers)
