"""The endpoints about rules: what is in service, and changing it.

In: requests without a body. Out: the ruleset as JSON, or why another was not taken. Rule of the file: nothing of a rule is decided here.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint
from engine.ingress.example_event import example_event
from engine.ingress.openapi import PROBLEM_TYPE, json_content, problem_response
from engine.ingress.responses import json_response, problem
from engine.ingress.service import Service
from engine.rules.diagnostics import shown

_YES: Final = {"1": True, "true": True, "0": False, "false": False}
_FINDING: Final[JsonObject] = {
    "type": "object",
    "required": ["code", "severity", "message", "file", "line", "col", "help", "fix"],
    "properties": {
        "code": {"type": "string", "description": "Stable, as `E301`."},
        "severity": {"enum": ["error", "warning"]},
        "message": {"type": "string"},
        "file": {"type": "string"},
        "line": {"type": "integer"},
        "col": {"type": "integer"},
        "rule": {"type": "string"},
        "help": {"type": "string"},
        "fix": {"type": "string", "description": "Text to write in place of what stands there; may be empty."},
        "excerpt": {"type": "string", "description": "Of rules that were refused: the line, and a mark under the place."},
    },
}
_FINDINGS: Final[JsonObject] = {"type": "array", "items": _FINDING}
_NAMES: Final[JsonObject] = {"type": "array", "items": {"type": "string"}}
_DIFFERENCE: Final[JsonObject] = {
    "type": "object",
    "properties": {"added": _NAMES, "removed": _NAMES, "changed": _NAMES},
}
_CHANGES: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "filters": _DIFFERENCE,
        "aggregations": {
            "type": "object",
            "properties": {"added": _NAMES, "removed": _NAMES, "reset": _NAMES, "kept": _NAMES},
            "description": "`kept` count on; `reset` begin anew, because their state would mean something else.",
        },
        "sources": _DIFFERENCE,
        "deduplication": _DIFFERENCE,
    },
}
_WORKERS: Final[JsonObject] = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "The ruleset of each worker, by number, where there are several.",
}
_RULES: Final[JsonObject] = {
    "type": "object",
    "required": [
        "ruleset",
        "digest",
        "loaded_at",
        "origin",
        "directory",
        "files",
        "sections",
        "findings",
        "rejected",
        "replaced",
        "reload",
        "shadow",
        "example",
    ],
    "properties": {
        "ruleset": {"type": "string", "description": "The id in records and answers."},
        "digest": {"type": "string"},
        "loaded_at": {"type": "string", "format": "date-time"},
        "origin": {"enum": ["directory", "last_good"]},
        "directory": {"type": "string"},
        "files": _NAMES,
        "sections": {"type": "object"},
        "findings": _FINDINGS,
        "rejected": {
            "type": ["object", "null"],
            "properties": {
                "at": {"type": "string"},
                "reason": {"type": "string"},
                "findings": _FINDINGS,
            },
        },
        "replaced": {
            "type": ["object", "null"],
            "description": "The ruleset in service before this one, and what is otherwise since.",
            "properties": {"ruleset": {"type": "string"}, "changes": _CHANGES},
        },
        "reload": {"type": "object", "properties": {"successful": {"type": "boolean"}}},
        "shadow": {
            "type": "boolean",
            "description": "Whether rules are tried in their shadow, so that there is `GET /rules/shadow`.",
        },
        "example": {
            "type": "object",
            "description": "An event to begin with: a value at each place where the rules read type, time, key and identity.",
        },
        "workers": _WORKERS,
    },
}
_RELOADED: Final[JsonObject] = {
    "type": "object",
    "required": ["ruleset", "before", "swapped", "dry_run", "changes", "sections", "findings"],
    "properties": {
        "ruleset": {"type": "string"},
        "before": {"type": "string", "description": "The ruleset in service until now."},
        "swapped": {"type": "boolean", "description": "Whether the two differ."},
        "dry_run": {"type": "boolean"},
        "changes": _CHANGES,
        "plan": {"type": "object", "description": "Every part and its fate, as `rulemill plan --format json` gives them."},
        "text": {"type": "string", "description": "The same for people."},
        "sections": {"type": "object"},
        "findings": _FINDINGS,
        "workers": _WORKERS,
    },
}
_REFUSED: Final[JsonObject] = {
    "type": "object",
    "required": ["title", "status", "code", "detail", "findings", "errors", "warnings"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"const": "rules_refused"},
        "detail": {"type": "string"},
        "ruleset": {"type": "string", "description": "The ruleset that goes on."},
        "errors": {"type": "integer"},
        "warnings": {"type": "integer"},
        "findings": _FINDINGS,
    },
}


def rules_endpoints(service: Service, *, has_shadow: bool) -> list[Endpoint]:
    """`GET /rules`, which says whether there is a shadow, and `POST /rules/reload`."""

    async def show(_: Request) -> Response:
        example = example_event(service.event_plan, service.now_ms())
        return json_response({**await service.rules(), "shadow": has_shadow, "example": example})

    async def reload(request: Request) -> Response:
        wanted = request.query_params.get("dry_run", "0")
        if wanted not in _YES:
            return problem(400, "bad_query", f"`dry_run` is `{shown(wanted)}`; send `1`, or leave it out")
        good, content = await service.reload_rules(dry_run=_YES[wanted])
        return json_response(content) if good else _refused(content)

    return [
        Endpoint(
            "GET",
            "/rules",
            show,
            {
                "summary": "The rules in service, and those that were refused last",
                "responses": {"200": json_content("Id, files, sections and findings.", _RULES)},
            },
        ),
        Endpoint(
            "POST",
            "/rules/reload",
            reload,
            {
                "summary": "Put what the rules directory holds in service",
                "parameters": [
                    {
                        "name": "dry_run",
                        "in": "query",
                        "schema": {"enum": list(_YES)},
                        "description": "`1` only says what would change.",
                    }
                ],
                "responses": {
                    "200": json_content("What changed.", _RELOADED),
                    "400": problem_response("A query that is not understood."),
                    "422": {
                        "description": "The rules have errors; the old ones go on.",
                        "content": {PROBLEM_TYPE: {"schema": _REFUSED}},
                    },
                },
            },
        ),
    ]


def _refused(content: JsonObject) -> Response:
    """A problem that carries the findings."""
    detail = f"the rules were refused, `{content['ruleset']}` goes on: {content['reason']}"
    return problem(422, "rules_refused", detail, more=content)
