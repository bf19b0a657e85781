"""The endpoints that say how the service is: alive, ready, and in detail.

In: requests without a body. Out: what the service says at that moment.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.openapi import json_content, problem_response
from engine.ingress.responses import json_response, problem
from engine.ingress.service import Service

_WORD: Final[JsonObject] = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_STATUS: Final[JsonObject] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ok", "degraded", "stopping", "disabled"]},
        "reasons": {"type": "array", "items": {"type": "string"}, "description": "Why it is `degraded`."},
        "ledger": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "`received` is the sum of the others at every moment.",
        },
    },
}


def health_endpoints(service: Service) -> list[Endpoint]:
    """`GET /healthz`, `GET /readyz` and `GET /processor/status`."""

    async def alive(_: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_: Request) -> Response:
        ready, reason = service.ready()
        return json_response({"status": "ready"}) if ready else problem(503, "not_ready", reason)

    async def status(_: Request) -> Response:
        return json_response(await service.status())

    return [
        Endpoint(
            "GET",
            "/healthz",
            alive,
            {"summary": "Whether the process lives", "responses": {"200": json_content("It does.", _WORD)}},
            access="open",
        ),
        Endpoint(
            "GET",
            "/readyz",
            ready,
            {
                "summary": "Whether events are taken",
                "responses": {"200": json_content("They are.", _WORD), "503": problem_response("They are not, and why.")},
            },
            access="open",
        ),
        Endpoint(
            "GET",
            "/processor/status",
            status,
            {
                "summary": "The health of the engine and its parts",
                "responses": {"200": json_content("Status, queue, ledger, store, egress, counters.", _STATUS)},
            },
        ),
    ]
