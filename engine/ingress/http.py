"""The HTTP interface: routes, limits, and the wait for outcomes.

In: requests. Out: a submission per request that brings events, and its answer once all of them have ended. Rule of the file:
every answer is JSON, every error of a request as a whole is a problem, and no more of a body is kept than the limit.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from engine.event import Submission
from engine.ingress.bodies import BodyError, body_too_large, read_items
from engine.ingress.queries import Query
from engine.ingress.responses import answer, json_response, problem
from engine.ingress.service import Service
from engine.rules.diagnostics import shown

INPUT_NAME: Final = "http"
"""The input that all requests belong to; its watermark is theirs."""

_MAX_LENGTH_DIGITS: Final = 18

_log = logging.getLogger(__name__)


def create_app(service: Service, more: Sequence[Query] = ()) -> Starlette:
    """The ASGI application of one engine.

    A request that stops half way, or whose client is gone before the answer, leaves the engine and other requests as they are:
    events that were submitted go on to their end.
    """
    endpoints = _Endpoints(service)
    app = Starlette(
        routes=[
            Route("/events", endpoints.take_events, methods=["POST"]),
            Route("/processor/status", endpoints.status, methods=["GET"]),
            Route("/healthz", endpoints.alive, methods=["GET"]),
            Route("/readyz", endpoints.ready, methods=["GET"]),
            *(Route(query.path, query.handler, methods=["GET"]) for query in more),
        ],
        exception_handlers={HTTPException: _on_http_exception, BodyError: _on_body_error, Exception: _on_bug},
    )
    app.router.redirect_slashes = False
    return app


class _Endpoints:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def take_events(self, request: Request) -> Response:
        service = self._service
        wanted = request.query_params.get("results")
        if wanted not in (None, "all"):
            detail = f"`results` is `{shown(wanted)}`; send `all`, or leave it out for the events that were not accepted"
            return problem(400, "bad_query", detail)
        limits = service.limits
        try:
            body = await _read_body(request, limits.max_body_bytes)
        except ClientDisconnect:
            return problem(400, "incomplete_body", "the connection ended before the body did")
        items = read_items(body, request.headers.get("content-type"), limits.max_events)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_done(_: Submission) -> None:
            if not ended.done():
                ended.set_result(None)

        submission = Submission(items, input_name=INPUT_NAME, received_ms=service.now_ms(), size_bytes=len(body), done=on_done)
        if items:
            if not service.submit(submission):
                return self._refusal()
            await ended
        return answer(submission, service.ruleset, all_results=wanted is not None)

    async def status(self, _: Request) -> Response:
        return json_response(self._service.status())

    async def alive(self, _: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        ready, reason = self._service.ready()
        return json_response({"status": "ready"}) if ready else problem(503, "not_ready", reason)

    def _refusal(self) -> Response:
        ready, reason = self._service.ready()
        if ready:
            return problem(429, "inbox_full", "more events are waiting than the engine can hold; send these again later")
        return problem(503, "not_ready", reason)


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body. Raises BodyError as soon as it is known to be too large, or where it is compressed."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = f"the content encoding `{shown(encoding)}` is not taken; send the body as it is"
        raise BodyError(415, "unsupported_content_encoding", detail)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > _MAX_LENGTH_DIGITS or int(announced) > limit_bytes):
        raise body_too_large(limit_bytes)
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit_bytes:
            raise body_too_large(limit_bytes)
        body += chunk
    return bytes(body)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    method, path = request.method, shown(request.url.path)
    if error.status_code == 404:
        return problem(404, "not_found", f"there is nothing at `{path}`")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return problem(405, "method_not_allowed", f"`{path}` does not take {method}; it takes {allowed}", error.headers)
    return problem(error.status_code, "http_error", error.detail, error.headers)


async def _on_body_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, BodyError):
        raise error
    return problem(error.status, error.code, error.detail)


async def _on_bug(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return problem(500, "internal_error", "the request failed for a reason of ours; the engine's log says more")
