"""The endpoints about the ruleset that is tried in the shadow of the one in service.

In: requests without a body. Out: what it would have done otherwise, as JSON. Rule of the file: as with `GET /rules`, nothing is decided here.
"""

from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.openapi import json_content, problem_response
from engine.ingress.responses import json_response, problem

SHADOW_PATH: Final = "/rules/shadow"
"""Where the ruleset that is tried is shown."""

_COUNT: Final[JsonObject] = {"type": "integer", "minimum": 0}
_SHADOW: Final[JsonObject] = {
    "type": "object",
    "required": ["ruleset", "directory", "findings", "rejected"],
    "properties": {
        "ruleset": {"type": ["string", "null"], "description": "Null where the directory was broken from the start."},
        "directory": {"type": "string"},
        "findings": {"type": "array", "items": {"type": "object"}},
        "rejected": {"type": ["object", "null"], "description": "What the directory holds now, where that is broken."},
        "loaded_at": {"type": "string", "format": "date-time"},
        "against": {"type": ["string", "null"], "description": "The ruleset in service that it is compared with."},
        "events": {**_COUNT, "description": "Events that both have judged; counts begin again when either ruleset changes."},
        "differing": {**_COUNT, "description": "Those that they decide otherwise."},
        "errors": {**_COUNT, "description": "Batches that it raised on; they went on without it."},
        "differences": {"type": "object", "additionalProperties": _COUNT},
        "filters": {"type": "object", "additionalProperties": {"type": "object"}},
        "samples": {"type": "array", "items": {"type": "object"}, "description": "The newest events that they decide otherwise."},
        "workers": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"]},
            "description": "The ruleset that each worker tries, by number, where there are several; counts are of those that try `ruleset`.",
        },
    },
}


class Shadow(Protocol):
    """The ruleset that is tried."""

    async def __call__(self, *, reload: bool) -> tuple[bool, JsonObject]:
        """What it is, and what it would have done otherwise; with `reload` after what its directory holds was taken up, and False where that is broken."""


def shadow_endpoints(shadow: Shadow) -> list[Endpoint]:
    """`GET /rules/shadow` and `POST /rules/shadow/reload`."""

    async def show(_: Request) -> Response:
        return json_response((await shadow(reload=False))[1])

    async def reload(_: Request) -> Response:
        good, content = await shadow(reload=True)
        if good:
            return json_response(content)
        return problem(
            422, "rules_refused", "the shadow rules are broken, what was tried goes on; `GET /rules/shadow` has the findings"
        )

    summary = "The ruleset in the shadow, and what it would have done otherwise"
    good = {"200": json_content("Counts, and examples.", _SHADOW)}
    broken = {"422": problem_response("The directory is broken; what was tried goes on.")}
    return [
        Endpoint("GET", SHADOW_PATH, show, {"summary": summary, "responses": good}),
        Endpoint(
            "POST",
            "/rules/shadow/reload",
            reload,
            {"summary": "Try what the shadow's directory holds now", "responses": {**good, **broken}},
        ),
    ]
