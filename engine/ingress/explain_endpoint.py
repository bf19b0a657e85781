"""`POST /rules/explain`: why the rules in service do to an event what they do.

In: an event, or an event and contexts. Out: the explanation as JSON, or a problem. Rule of the file: nothing is kept of the event.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import QuestionInvalid
from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.json_errors import why_not_json
from engine.ingress.large_integers import find_large_integer, has_long_digits
from engine.ingress.openapi import json_content, problem_response
from engine.ingress.problems import RequestRefused
from engine.ingress.request_body import BodyBudget, read_body
from engine.ingress.responses import json_response
from engine.ports import RequestLimits
from engine.rules.diagnostics import shown

Given = Mapping[str, JsonObject | None]
Explain = Callable[[bytes | JsonObject, Given, str | None], Awaitable[JsonObject]]
"""Explains an event with what is given of its sources, for one rule or for all. Raises QuestionInvalid."""

_EXPLANATION: Final[JsonObject] = {
    "type": "object",
    "required": ["ruleset", "id", "outcome"],
    "properties": {
        "ruleset": {"type": "string"},
        "id": {"type": ["string", "null"]},
        "outcome": {"type": "object"},
        "enrichment": {"type": ["object", "null"]},
        "filters": {"type": "array", "items": {"type": "object"}},
        "decision": {"type": "object"},
        "event": {"type": "object"},
        "aggregations": {"type": "array", "items": {"type": "object"}},
    },
}
OPERATION: Final[JsonObject] = {
    "summary": "Why each filter acts on an event or does not, leaf by leaf; changes nothing",
    "parameters": [
        {
            "name": "rule",
            "in": "query",
            "description": "Tell of this filter or aggregation alone.",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "An event; or an event with contexts, which stand in for their sources, null where one finds nothing.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "event": {
                        "value": {"event_type": "attempt", "client_attempt_id": "a-1", "timestamp": "2026-03-02T09:00:00Z"}
                    },
                    "with contexts": {
                        "value": {
                            "event": {"event_type": "session", "session_id": "s-1", "timestamp": "2026-03-02T09:00:00Z"},
                            "given": {"user": {"user_type": "premium"}},
                        }
                    },
                },
            }
        },
    },
    "responses": {
        "200": json_content("The explanation, of a rejected event as well.", _EXPLANATION),
        "400": problem_response("The body is no JSON object, is broken, or ended early."),
        "413": problem_response("The body is larger than `http.max_body`."),
        "415": problem_response("The content encoding is not taken."),
        "422": problem_response("There is no such rule or source, or what is given is no context."),
        "501": problem_response("The transfer encoding is not taken."),
        "503": problem_response("Too much is being asked at once.", retry=True),
    },
}
"""The OpenAPI description."""

_PARTS: Final = {"event", "given"}


def explain_endpoints(explain: Explain, limits: RequestLimits) -> list[Endpoint]:
    """`POST /rules/explain`. All questions that are being read have together no more bytes than one may have."""
    budget = BodyBudget(limits.max_body_bytes)

    async def answer(request: Request) -> Response:
        body = await read_body(request, limits.max_body_bytes, budget)
        content = _object(body)
        try:
            item, given = _question(body, content)
            return json_response(await explain(item, given, request.query_params.get("rule")))
        except QuestionInvalid as error:
            raise RequestRefused(422, "bad_question", str(error)) from None

    return [Endpoint("POST", "/rules/explain", answer, OPERATION)]


def _object(body: bytes) -> JsonObject:
    """The object that the body is. Raises RequestRefused."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, "bad_question", why_not_json(body, error)) from None
    if not isinstance(content, dict):
        detail = 'the body is no object; send an event, or `{"event": {…}, "given": {"user": {…}}}`'
        raise RequestRefused(400, "bad_question", detail)
    return content


def _question(body: bytes, content: JsonObject) -> tuple[bytes | JsonObject, Given]:
    """The event, and what is given. Raises QuestionInvalid."""
    event = content.get("event")
    if not (isinstance(event, dict) and _PARTS.issuperset(content)):
        return body, {}
    if has_long_digits(body) and (found := find_large_integer(body)):
        raise QuestionInvalid(f"`{shown(found[1])}` does not fit into 64 bits and would lose digits; send it as a string")
    return event, _contexts(content.get("given", {}))


def _contexts(given: object) -> Given:
    if not isinstance(given, dict):
        raise QuestionInvalid(f"`given` is `{shown(given)}`; send an object with a context for each source")
    for name, context in given.items():
        if context is not None and not isinstance(context, dict):
            raise QuestionInvalid(f"what `{shown(name)}` finds is `{shown(context)}`; send an object, or null for nothing")
    return given
