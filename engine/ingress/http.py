"""The HTTP application: every request finds its endpoint, and every answer but the console and the metrics is JSON.

In: requests. Out: the answer of the endpoint at that method and path. Rule of the file: whatever goes wrong with a request as a whole is
answered as a problem, a bug included.

Paths are compared as a whole, so a table does what a router would, for less time on each request.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.event import JsonObject
from engine.ingress.access import AccessPolicy
from engine.ingress.console import console_endpoints
from engine.ingress.endpoints import Endpoint
from engine.ingress.events import event_endpoints
from engine.ingress.explained import EventWitness, Explanations
from engine.ingress.health import health_endpoints
from engine.ingress.openapi import describe
from engine.ingress.problems import RequestRefused
from engine.ingress.request_body import BodyBudget
from engine.ingress.responses import internal_error, json_response, problem, refusal
from engine.ingress.rules_endpoints import rules_endpoints
from engine.ingress.service import Service
from engine.ingress.shadow_endpoints import SHADOW_PATH
from engine.ingress.whole_requests import WholeRequests
from engine.rules.diagnostics import shown

_ANYBODY: Final = AccessPolicy()
_log = logging.getLogger(__name__)


def create_app(
    service: Service,
    more: Sequence[Endpoint] = (),
    policy: AccessPolicy = _ANYBODY,
    witness: EventWitness | None = None,
    bodies: BodyBudget | None = None,
) -> "Application":
    """The ASGI application of one engine: events, health, the console, the description, and whatever else is given.

    A request that stops half way, or whose client is gone before the answer, leaves the engine and other requests as they are:
    events that were submitted go on to their end. With a `witness`, events can be explained as they come in.
    `bodies` is the budget of what is being read, for whoever wants to see it; by default it is made as the service's limits say.
    """
    explanations = None if witness is None else Explanations(witness, policy, service.limits.max_explained)
    budget = bodies or BodyBudget(service.limits.max_bodies_bytes)
    own = [
        *event_endpoints(service, budget, explanations),
        *health_endpoints(service),
        *rules_endpoints(service, has_shadow=any(endpoint.path == SHADOW_PATH for endpoint in more)),
        *console_endpoints(),
    ]
    endpoints = [*own, *more]
    return Application([*endpoints, _description(endpoints)], policy, WholeRequests(service, policy))


def _description(endpoints: Sequence[Endpoint]) -> Endpoint:
    described: JsonObject = {}

    async def describe_all(_: Request) -> Response:
        return json_response(described)

    operation: JsonObject = {
        "summary": "This description",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
    own = Endpoint("GET", "/openapi.json", describe_all, operation, access="open")
    described.update(describe([*endpoints, own]))
    return own


class Application:
    """The endpoints as an ASGI application; a server may give `whole` the requests that suit it."""

    def __init__(self, endpoints: Sequence[Endpoint], policy: AccessPolicy, whole: WholeRequests) -> None:
        self.whole = whole
        self._policy = policy
        self._paths: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = self._paths.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"there are two endpoints for {endpoint.method} {endpoint.path}")
            methods[endpoint.method] = endpoint
            if endpoint.method == "GET":
                methods["HEAD"] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. See ASGI."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            methods = self._paths.get(request.scope["path"])
            if methods is None:
                return problem(404, "not_found", f"there is nothing at `{shown(request.scope['path'])}`")
            endpoint = methods.get(request.method)
            if endpoint is None:
                return _wrong_method(request, methods)
            self._policy.check(endpoint.access, request.headers.get("authorization"))
            return await endpoint.handler(request)
        except RequestRefused as refused:
            return refusal(refused)
        except Exception:  # noqa: BLE001 - whatever a bug raises is told to the sender as such, and kept in the log
            _log.exception("a request failed: %s %s", request.method, shown(request.scope["path"]))
            return internal_error()


def _wrong_method(request: Request, methods: Mapping[str, Endpoint]) -> Response:
    allowed = ", ".join(sorted(methods))
    detail = f"`{request.scope['path']}` does not take {shown(request.method)}; it takes {allowed}"
    return problem(405, "method_not_allowed", detail, {"Allow": allowed})
