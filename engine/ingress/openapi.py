"""The OpenAPI description of the HTTP interface, and the pieces that endpoints describe themselves with.

In: endpoints. Out: one OpenAPI 3.1 document. Rule of the file: what holds for every endpoint (tokens, 401, 403, 500, 503) is said
here; what holds for one is said where it is.
"""

from collections.abc import Iterable
from typing import Final

import engine
from engine.event import JsonObject
from engine.ingress.endpoints import Access, Endpoint

PROBLEM_TYPE: Final = "application/problem+json"
"""The content type of every answer that refuses a request as a whole (RFC 9457)."""

_PROBLEM: Final[JsonObject] = {"$ref": "#/components/schemas/Problem"}
_RETRY_AFTER: Final[JsonObject] = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Send the request again after so many seconds."}
}
_COMPONENTS: Final[JsonObject] = {
    "schemas": {
        "Problem": {
            "type": "object",
            "required": ["title", "status", "code", "detail"],
            "properties": {
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string", "description": "A stable word for programs."},
                "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
            },
        }
    },
    "securitySchemes": {
        "ingest": {"type": "http", "scheme": "bearer", "description": "One of `http.ingest_tokens`, where there are any."},
        "admin": {"type": "http", "scheme": "bearer", "description": "One of `http.admin_tokens`, where there are any."},
    },
}
_SECURITY: Final[dict[Access, list[JsonObject]]] = {
    "open": [],
    "ingest": [{"ingest": []}, {"admin": []}, {}],
    "admin": [{"admin": []}, {}],
}


def json_content(description: str, schema: JsonObject, *, problem: bool = False) -> JsonObject:
    """A response of JSON; with `problem`, one that may be a problem instead."""
    content: JsonObject = {"application/json": {"schema": schema}}
    if problem:
        content[PROBLEM_TYPE] = {"schema": _PROBLEM}
    return {"description": description, "content": content}


def problem_response(description: str, *, retry: bool = False) -> JsonObject:
    """A response that is a problem; with `retry`, one that says when to try again."""
    response: JsonObject = {"description": description, "content": {PROBLEM_TYPE: {"schema": _PROBLEM}}}
    return {**response, "headers": _RETRY_AFTER} if retry else response


def describe(endpoints: Iterable[Endpoint]) -> JsonObject:
    """The description of these endpoints."""
    paths: dict[str, JsonObject] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rulemill", "version": engine.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": _COMPONENTS,
    }


def _operation(endpoint: Endpoint) -> JsonObject:
    shared: JsonObject = {"500": problem_response("A fault of ours; the engine's log says more.")}
    if endpoint.access != "open":
        shared["401"] = problem_response("The token is missing or unknown.")
    if endpoint.access == "admin":
        shared["403"] = problem_response("The token is for ingest only.")
    own = endpoint.operation.get("responses")
    busy = problem_response("There are too many connections, or whoever answers for all workers does not.", retry=True)
    responses = {"503": busy, **(own if isinstance(own, dict) else {}), **shared}
    return {**endpoint.operation, "security": _SECURITY[endpoint.access], "responses": responses}
