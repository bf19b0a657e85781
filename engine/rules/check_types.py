"""Event types against their schemas: does a type have the name that its schema wants, is the type read where the schemas say it.

In: a ruleset. Out: findings. Rule of the file: an error is only reported where no event of the type can come in.
"""

from collections.abc import Mapping
from typing import Final

from engine.rules.diagnostics import Edit, Findings, all_of, as_written, closest, shown
from engine.rules.event_fields import Root, follow, schema_properties
from engine.rules.model import EventType, Path, Ruleset

_TIMES: Final = frozenset(("timestamp", "time", "at", "ts", "occurred_at", "created_at", "event_time"))


def check_types(ruleset: Ruleset, findings: Findings) -> None:
    """Check the name of each type, and the field that names them."""
    wanted = {name: wanted_names(kind, ruleset.events.type) for name, kind in ruleset.events.types.items()}
    with findings.about("events"):
        for name, names in wanted.items():
            if names and name not in names:
                _add_wrong_name(ruleset.events.types[name], names, ruleset, findings)
        if not any(wanted.values()):
            _check_type_field(ruleset, findings)
        _check_time_field(ruleset, findings)


def wanted_names(event_type: EventType, path: Path) -> tuple[str, ...]:
    """What the schema of a type lets its events say their type is; empty where it leaves that open."""
    schema = event_type.schema
    fact = None if schema is None else follow(Root(schema, schema), path.steps)
    return tuple(value for value in fact.values or () if isinstance(value, str)) if fact else ()


def _add_wrong_name(event_type: EventType, names: tuple[str, ...], ruleset: Ruleset, findings: Findings) -> None:
    field, name = ruleset.events.type.text, event_type.name
    free = [other for other in names if other not in ruleset.events.types]
    message = f"no event is of type `{shown(name)}`: its schema wants `{field}` to be {_either(names)}"
    help = f"name the type `{free[0]}`" if len(free) == 1 else all_of(free) or "give it a schema of its own"
    edits = (Edit(event_type.span, as_written(free[0])),) if len(free) == 1 else ()
    findings.add("E402", message, event_type.span, help=help, edits=edits)


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{shown(name)}`" for name in names[:5])


def _check_type_field(ruleset: Ruleset, findings: Findings) -> None:
    """Where in each schema the same member holds the name of the type, that member is the field of the type."""
    path = ruleset.events.type
    properties = {name: schema_properties(kind.schema or {}) for name, kind in ruleset.events.types.items()}
    if not properties or any(path.steps[0] in members for members in properties.values()):
        return
    common = set.intersection(*({key for key, value in m.items() if _is_constant(value, name)} for name, m in properties.items()))
    if common and closest(path.text, common) is None:  # a name that is near is found with all other fields
        message = f"no schema declares `{path.text}`, by which events are told apart"
        findings.add(
            "W606", message, path.span, help=f"did you mean `{min(common)}`?", edits=(Edit(path.span, as_written(min(common))),)
        )


def _check_time_field(ruleset: Ruleset, findings: Findings) -> None:
    """Where no schema declares the time of events and all declare another member that is one, that was likely meant."""
    path = ruleset.events.time
    properties = [schema_properties(kind.schema or {}) for kind in ruleset.events.types.values()]
    if not properties or any(path.steps[0] in members for members in properties):
        return
    common = sorted(
        set.intersection(*({key for key, value in members.items() if _is_time(key, value)} for members in properties))
    )
    if common and closest(path.text, common) is None:
        message = f"no schema declares `{path.text}`, which is to say when an event happened"
        findings.add("W606", message, path.span, help=f"did you mean `{common[0]}`? An event without its time is rejected")


def _is_time(name: str, schema: object) -> bool:
    return name in _TIMES or (isinstance(schema, Mapping) and schema.get("format") == "date-time")


def _is_constant(schema: object, value: str) -> bool:
    return isinstance(schema, Mapping) and (schema.get("const") == value or schema.get("enum") == [value])
