"""Filters and tests in the editor's schema: what a filter does, and what a test says must come out.

In: the names that a project declares. Out: one schema a section. Rule of the file: an action, and a step of a test, is a map of one key.
"""

from collections.abc import Mapping
from typing import Final

from engine.rules.editor_parts import (
    PATH_NAME,
    Schema,
    choice,
    closed,
    described,
    duration,
    list_of,
    name_of,
    named,
    one_or_many,
    path,
    ref,
    text,
    whole,
    words,
)
from engine.rules.editor_sections import Names
from engine.rules.model import Filter, SendTo
from engine.rules.parse_filters import _ACTIONS
from engine.rules.parse_tests import _OUTCOME_KEYS, _STEPS, _WINDOW_KEYS, FAULTS, STATUSES

_INSTANT: Final[Schema] = {"type": ["string", "integer"]}
_NOT_NULL: Final = ("object", "array", "string", "number", "boolean")

OUTCOME_HELP: Final = {
    "status": "What the sender is told.",
    "code": "The code of a rejection.",
    "message": "The message of a rejection.",
    "pointer": "The member that a rejection is about.",
    "filter": "The filter that blocked it.",
    "filters": "Filters that matched; others may have too.",
    "not_filters": "Filters that did not match.",
    "marks": "The marks that it was given.",
    "routes": "The routes that it was given.",
    "topic": "The topic of its record.",
    "copies": "Topics of further records.",
    "late": "Whether it came after a later event of its key.",
    "degraded": "What was done without.",
    "event": "Members of the event as published.",
    "enrichment": "What sources found.",
    "derived": "What was computed.",
    "processing": "Members of the record's `processing`.",
}
WINDOW_HELP: Final = {
    "aggregation": "The aggregation that is asked.",
    "key": "The group, as in `user:u-1`; left out where there is one.",
    "start": "When the window begins.",
    "end": "When the window ends.",
    "revision": "Which revision of it was published last; 0: none. The figures are then those of the record.",
    "values": "The figures, by measure.",
}
STEP_HELP: Final = {
    "send": "Send an event, or a `template` of one `times` over, one `every` so often; `{n}` in its texts is the number of each.",
    "advance": "Move the clock.",
    "expect": "What must have come out.",
    "source": "What happens to sources from here on: `{user: timeout}`, or what one finds: `{user: {user_type: free}}`.",
    "store": "What happens to the store from here on; `up` ends it.",
    "egress": "What happens to the egress from here on; `up` ends it.",
    "reload": "Load the rules of another directory, relative to this file.",
}
ACTION_HELP: Final = {
    "allow": "Go on, with a mark if one is given.",
    "block": "The event ends here.",
    "route": "Go on, and to a route as well.",
    "transform": "Go on, changed: first `remove`, then `rename`, `set`, `hash`, `mask`.",
}


def filters() -> Schema:
    """The section `filters`."""
    action = ref("action")
    rule = closed(
        {
            "description": text("What it is for."),
            "when": described("Which events.", ref("condition")),
            "then": described("What is done: one action, or a list of them.", one_or_many(action)),
            "mode": choice("`shadow` counts matches and does nothing.", words(Filter, "mode")),
            "rollout": described(
                "The share of keys whose events it acts on; of the others it only counts.",
                closed(
                    {
                        "percent": {"description": "Of all keys.", "type": "number", "minimum": 0, "maximum": 100},
                        "by": path("The field whose values are the keys."),
                    },
                    ["percent", "by"],
                ),
            ),
            "order": {"type": "integer", "description": "Filters run by this number, then as written."},
        },
        ["when", "then"],
    )
    return named(rule)


def action(names: Names) -> Schema:
    """One action."""
    forms = {
        "allow": closed({"mark": text("A word for `processing.marks`.")}),
        "block": closed({"reason": text("Why, in a word.")}),
        "route": closed(
            {
                "to": name_of("A route that is declared under `routes`.", names.routes),
                "mode": choice(
                    "`hint` names the route in the record, `copy` sends another, `move` only that one.", words(SendTo, "mode")
                ),
            },
            ["to"],
        ),
        "transform": _transform(),
    }
    properties = {name: described(ACTION_HELP.get(name, ""), forms.get(name, {})) for name in _ACTIONS}
    return closed(properties, minProperties=1, maxProperties=1)


def _transform() -> Schema:
    kept = closed({"keep_last": whole("How many characters stay readable.", 0)}, ["keep_last"])
    return closed(
        {
            "set": _by_path("New values: a value, `{field: path}` or `{jmespath: …}`.", {}),
            "remove": described("Fields that are taken out.", one_or_many(ref("path"))),
            "rename": _by_path("Old names to new ones.", path("The new name.")),
            "hash": described("Fields that are replaced by a hash.", one_or_many(ref("path"))),
            "mask": _by_path("Fields of which only the end stays readable.", kept),
        },
        minProperties=1,
    )


def _by_path(description: str, value: Mapping[str, object]) -> Schema:
    return {
        "description": description,
        "type": "object",
        "propertyNames": PATH_NAME,
        "additionalProperties": dict(value),
    }


def tests() -> Schema:
    """The section `tests`."""
    test = closed(
        {
            "name": text("What must be so."),
            "now": described(
                "When its clock starts; otherwise it starts with the first event, and follows the events.", _INSTANT
            ),
            "given": {"type": "object", "description": "What sources find, by their names; nothing without this."},
            "event": {"type": "object", "description": "The event that is sent."},
            "expect": described("What must come out.", ref("outcome")),
            "steps": list_of(ref("step"), description="Several events, and what happens between them."),
        },
        ["name"],
        **{
            "if": {"required": ["steps"]},
            "then": {"properties": {"event": False, "expect": False}},
            "else": {"required": ["event", "expect"]},
        },
    )
    return {"type": ["array", "null"], "items": test, "minItems": 1}


def test_definitions(names: Names) -> dict[str, Schema]:
    """What the section `tests` refers to."""
    return {"step": _step(), "outcome": _outcome(names), "window_outcome": _window_outcome(names)}


def _step() -> Schema:
    words: dict[str, Schema] = {name: {"enum": list(choices)} for name, choices in FAULTS.items()}
    source: Schema = {"if": {"type": "object"}, "else": words["source"]}
    outcome = {"if": {"required": ["aggregation"]}, "then": ref("window_outcome"), "else": ref("outcome")}
    forms: dict[str, Schema] = {
        "send": _send(),
        "advance": ref("duration"),
        "expect": {"type": "object", **outcome},
        "source": source,
        "store": words["store"],
        "egress": words["egress"],
        "reload": {"type": "string", "minLength": 1},
    }
    properties = {name: described(STEP_HELP.get(name, ""), forms[name]) for name in _STEPS}
    return closed(properties, minProperties=1, maxProperties=1)


def _send() -> Schema:
    repeated = closed(
        {
            "template": {"type": "object", "description": "The event."},
            "times": whole("How often.", 1),
            "every": duration("How far apart."),
        }
    )
    return {"type": "object", "if": {"required": ["template"]}, "then": repeated}


def _outcome(names: Names) -> Schema:
    filter_names: Schema = {"type": "string", "examples": list(names.filters)}
    forms: dict[str, Schema] = {
        "status": {"enum": list(STATUSES)},
        "filter": filter_names,
        "filters": one_or_many(filter_names),
        "not_filters": one_or_many(filter_names),
    }
    properties = {key: described(OUTCOME_HELP.get(key, ""), forms.get(key, {"type": list(_NOT_NULL)})) for key in _OUTCOME_KEYS}
    return closed(properties, minProperties=1)


def _window_outcome(names: Names) -> Schema:
    forms: dict[str, Schema] = {
        "aggregation": {"type": "string", "examples": list(names.aggregations)},
        "revision": {"type": "integer", "minimum": 0},
        "values": {"type": "object", "minProperties": 1},
    }
    properties = {key: described(WINDOW_HELP.get(key, ""), forms.get(key, {"type": list(_NOT_NULL)})) for key in _WINDOW_KEYS}
    return closed(properties, anyOf=[{"required": ["values"]}, {"required": ["revision"]}])
