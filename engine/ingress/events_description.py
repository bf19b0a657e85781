"""How `POST /events` stands in the OpenAPI description.

In: nothing. Out: an operation. Rule of the file: it says what `engine/ingress/events.py` does, and a test compares the two.
"""

from typing import Final

from engine.event import STATUSES, JsonObject
from engine.ingress.bodies import CLOUDEVENT, CLOUDEVENT_BATCH, JSON, NDJSON
from engine.ingress.inflate import ENCODINGS
from engine.ingress.openapi import json_content, problem_response

_EVENT: Final[JsonObject] = {"type": "object", "description": "One event; the rules say which members it needs."}
_EVENTS: Final[JsonObject] = {"oneOf": [_EVENT, {"type": "array", "items": _EVENT}]}
_CLOUDEVENT: Final[JsonObject] = {
    "type": "object",
    "description": "A CloudEvent 1.0. Its `data` is the event; its type and time stand in for those that the data lacks.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "type": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "minLength": 1},
        "data": _EVENT,
    },
}
_COUNT: Final[JsonObject] = {"type": "integer", "minimum": 0}
_RESULT: Final[JsonObject] = {
    "type": "object",
    "required": ["index", "id", "status"],
    "additionalProperties": False,
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "The place of the event in the request, from 0."},
        "id": {"type": ["string", "null"], "description": "What copies of the event are recognised by."},
        "status": {"enum": list(STATUSES)},
        "code": {"type": "string", "description": "A stable word for programs."},
        "message": {"type": "string", "description": "What to do, for people."},
        "explanation": {
            "type": "object",
            "description": "As `POST /rules/explain` answers, of what happened; with `Rulemill-Explain: 1`.",
        },
        "pointer": {"type": "string", "format": "json-pointer", "description": "Where in the event the fault is."},
    },
}
_ANSWER: Final[JsonObject] = {
    "type": "object",
    "required": [*STATUSES, "ruleset", "results"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(STATUSES, _COUNT),
        "ruleset": {"type": "string", "description": "The rules that decided."},
        "results": {"type": "array", "items": _RESULT},
    },
}

TAKE_EVENTS: Final[JsonObject] = {
    "summary": "Send one event or many",
    "description": (
        "The answer comes when every event of the request has ended; with `ack: received`, when they are known to be events. Sending again "
        f"is always safe. A body may be compressed: {', '.join(ENCODINGS)}. The attributes of a CloudEvent may stand in headers `ce-…`, with its data "
        "as the body."
    ),
    "parameters": [
        {
            "name": "results",
            "in": "query",
            "schema": {"enum": ["all"]},
            "description": "`all` gives a result for each event, not only for those that were not accepted.",
        },
        {
            "name": "Rulemill-Explain",
            "in": "header",
            "schema": {"enum": ["0", "1"]},
            "description": "`1` gives a result with an explanation for each event; it takes a token for administration, and few events.",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": _EVENTS},
            NDJSON: {"schema": {"type": "string", "description": "One event a line."}},
            CLOUDEVENT: {"schema": _CLOUDEVENT},
            CLOUDEVENT_BATCH: {"schema": {"type": "array", "items": _CLOUDEVENT}},
        },
    },
    "responses": {
        "202": json_content("No event is rejected or to be sent again.", _ANSWER),
        "207": json_content("Some are.", _ANSWER),
        "422": json_content("All are rejected.", _ANSWER),
        "400": problem_response("The body as a whole is not what it says it is."),
        "413": problem_response("The body is too large, or holds too many events."),
        "415": problem_response("The content type, character set or encoding is not taken."),
        "429": problem_response("More events are waiting than the engine can hold.", retry=True),
        "501": problem_response("The transfer encoding is not taken."),
        "503": {
            **json_content("All events are to be sent again; or, as a problem, none was received.", _ANSWER, problem=True),
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}},
        },
    },
}
