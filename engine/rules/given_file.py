"""Contexts by source, as a file gives them to `rulemill explain`.

In: the bytes of YAML or JSON. Out: one object per source, None where it finds nothing. Rule of the file: it is read as rules are, so that what
was tried here can be copied into a rule test.
"""

from engine.errors import QuestionInvalid
from engine.event import JsonObject
from engine.rules.diagnostics import Findings, shown
from engine.rules.loader import load_yaml
from engine.rules.nodes import MapNode, plain_value
from engine.rules.reports import concise


def read_given(file: str, data: bytes) -> dict[str, JsonObject | None]:
    """The contexts that a file holds. Raises QuestionInvalid where it is no map of maps; the text says where."""
    findings = Findings()
    node = load_yaml(file, data, findings)
    if findings.has_errors:
        raise QuestionInvalid(concise(findings.in_order(), {}).splitlines()[0])
    if not isinstance(node, MapNode):
        raise QuestionInvalid(f"`{file}` holds no map; write `user: {{user_type: premium}}`")
    return {entry.key: _context(file, entry.key, plain_value(entry.value)) for entry in node.entries}


def _context(file: str, name: str, value: object) -> JsonObject | None:
    if value is None or isinstance(value, dict):
        return value
    raise QuestionInvalid(
        f"`{file}`: what `{shown(name)}` finds is `{shown(value)}`; write a map, or null where it finds nothing"
    )
