"""A real HTTP service of users: quick, slow, failing and back again, as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

User = dict[str, Any]


@dataclass
class UserService:
    """What it knows, how it behaves, and what it was asked."""

    users: dict[str, Any]
    url: str = ""
    status: int = 200
    body: bytes | None = None
    array: bool = False
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    async def one(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        failed = await self._asked(request)
        if failed is not None:
            return failed
        return web.json_response(self.users[key]) if key in self.users else web.Response(status=404)

    async def many(self, request: web.Request) -> web.StreamResponse:
        failed = await self._asked(request)
        if failed is not None:
            return failed
        found = {key: self.users[key] for key in request.query["ids"].split(",") if key in self.users}
        return web.json_response([{"id": key, **user} for key, user in found.items()] if self.array else found)

    async def _asked(self, request: web.Request) -> web.StreamResponse | None:
        self.asked.append(request.raw_path)
        self.headers.append(dict(request.headers))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        if self.status != 200 or self.body is not None:
            headers = {"Location": "/users/elsewhere"} if 300 <= self.status < 400 else {}
            return web.Response(status=self.status, body=self.body, headers=headers)
        return None


@asynccontextmanager
async def user_service(users: dict[str, Any], port: int = 0) -> AsyncIterator[UserService]:
    service = UserService(users)
    service.open.set()
    app = web.Application()
    app.add_routes([web.get("/users/{key}", service.one), web.get("/users", service.many)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    service.url = f"http://{host}:{bound}"
    try:
        yield service
    finally:
        await runner.cleanup()
