"""Explanations in words: why a condition holds or not, as JSON for programs and as indented lines for people.

In: what the interpreter and the verdicts found. Out: plain JSON values, or lines without line ends. Rule of the file: nothing is judged
here; both forms say the same.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.event import JsonObject
from engine.rules.diagnostics import shown
from engine.rules.explained_costs import Cost, cost_of
from engine.rules.interpreter import Explanation, Truth
from engine.rules.model import Action, All, Allow, AnyOf, Block, Condition, FieldRef, ListRef, Not, SendTo, Test, Transform, Use
from engine.rules.places import Span
from engine.rules.values import MISSING
from engine.rules.verdicts import Acted, Judged
from engine.rules.why_not import Needed, count_of_tests, is_joint, why_not

WORDS: Final[Mapping[Truth, str]] = {True: "true", False: "false", None: "unknown"}

_STATES: Final = {
    "matched": "matches",
    "not_matched": "does not match",
    "unknown": "is unknown, so it does nothing",
    "error": "raised an error, so it does nothing",
    "off": "is switched off",
    "not_reached": "is not reached: the event was blocked before",
}
_INDENT: Final = "  "


def explanation_as_json(found: Explanation) -> JsonObject:
    """A condition as an object: `what`, `result` (null is unknown), and its `parts`, or of a test what it saw."""
    if is_joint(found):
        return {"what": found.what, "result": found.result, "parts": [explanation_as_json(part) for part in found.parts]}
    test: JsonObject = {"what": "test", "result": found.result, "field": found.path, "operator": found.what}
    if not isinstance(found.operand, Condition) and found.operand is not MISSING:
        test["operand"] = list(found.operand) if isinstance(found.operand, tuple) else found.operand
    if found.seen is not MISSING:
        test["value"] = found.seen
    if found.reason:
        test["reason"] = found.reason
    if found.parts:
        test["parts"] = [explanation_as_json(part) for part in found.parts]
    if found.span.line:
        test["place"] = place(found.span)
    return test


def explanation_lines(found: Explanation, indent: str = "") -> Iterator[tuple[Truth, str]]:
    """The condition as lines, each with the result it speaks of; what belongs to a line stands indented below it."""
    if is_joint(found):
        yield found.result, f"{indent}{found.what}"
    else:
        yield found.result, f"{indent}{_test(found)}"
    for part in found.parts:
        yield from explanation_lines(part, indent + _INDENT)


def test_lines(found: Explanation) -> Iterator[tuple[Truth, str]]:
    """The tests alone, in the order written, each as one line with its result; those on elements of arrays are left out."""
    if is_joint(found):
        for part in found.parts:
            yield from test_lines(part)
    else:
        yield found.result, _test(found)


def action_as_json(acted: Acted) -> JsonObject:
    """An action of a filter that matched: whether it was done, and if not, why."""
    described: JsonObject = {"action": action_text(acted.action), "done": not acted.note}
    return {**described, "note": acted.note} if acted.note else described


def judged_as_json(judged: Judged) -> JsonObject:
    """One filter: its state, its condition, its actions."""
    found = judged.explanation
    return {
        "id": judged.rule.id,
        "description": judged.rule.description,
        "mode": judged.rule.mode,
        "state": judged.state,
        "result": None if found is None else found.result,
        "condition": None if found is None else explanation_as_json(found),
        **(
            {}
            if found is None
            else {"why_not": [_needed_as_json(one) for one in why_not(found)], "cost": _cost_as_json(cost_of(found))}
        ),
        "actions": [action_as_json(acted) for acted in judged.actions],
        **({"error": judged.error} if judged.error else {}),
    }


def why_not_lines(found: Explanation) -> Iterator[str]:
    """What a condition of several tests lacks, a test a line; nothing where it holds, and of a single test, which says it itself."""
    if count_of_tests(found) > 1:
        for needed in why_not(found):
            yield f"{_test(needed.test)}; it would have to be {WORDS[needed.result]}"


def cost_text(cost: Cost) -> str:
    """A cost in words."""
    return f"{cost.evaluated} of {cost.tests} tests looked at, weight {cost.evaluated_weight} of {cost.weight}"


def _needed_as_json(needed: Needed) -> JsonObject:
    return {**explanation_as_json(needed.test), "needed": needed.result}


def _cost_as_json(cost: Cost) -> JsonObject:
    return {
        "tests": cost.tests,
        "evaluated": cost.evaluated,
        "weight": cost.weight,
        "evaluated_weight": cost.evaluated_weight,
    }


def judged_title(judged: Judged) -> str:
    """One filter in a sentence: `bot_traffic matches: block (bot)`."""
    done = [action_text(acted.action) + (f" (not done: {acted.note})" if acted.note else "") for acted in judged.actions]
    more = "; ".join(done) or judged.error
    return f"{judged.rule.id} {_STATES[judged.state]}" + (f": {more}" if more else "")


def action_text(action: Action) -> str:
    """An action in a few words."""
    match action:
        case Allow(mark):
            return "go on" if mark is None else f"mark `{mark}`"
        case Block(reason):
            return "block" if reason is None else f"block ({reason})"
        case SendTo(to, mode):
            return f"route `{to}` ({mode})"
        case Transform():
            changed = [name for name in ("remove", "rename", "set", "hash", "mask") if getattr(action, name)]
            return f"transform ({', '.join(changed)})"


def test_text(test: Test) -> str:
    """A test as reports name it, quoted: `response_time_ms lt 1000`."""
    match test.value:
        case FieldRef(path):
            operand = f" {{field: {path.text}}}"
        case ListRef(name):
            operand = f" {{list: {name}}}"
        case Test() | All() | AnyOf() | Not() | Use():
            operand = ""
        case value:
            operand = f" {value_text(value)}"
    return f"`{test.path.text or 'the element'} {test.operator}{operand}`"


def place(span: Span) -> str:
    """Where something stands, as editors take it."""
    return f"{span.file}:{span.line}:{span.col}"


def _test(found: Explanation) -> str:
    field = found.path or found.whole
    if isinstance(found.operand, Condition):
        test = f"{field} {found.what}"
    elif found.operand is MISSING:
        test = f"{field} {found.what} (a field that is missing)"
    else:
        test = f"{field} {found.what} {value_text(found.operand)}"
    seen = found.reason if found.seen is MISSING else f"it is {value_text(found.seen)}"
    why = f", {found.reason}" if found.reason and found.seen is not MISSING and found.seen is not None else ""
    return f"{test}: {seen or 'missing'}{why}"


def value_text(value: object) -> str:
    """A value of an event or a rule on one line, text in quotes, shortened where it is long."""
    if isinstance(value, str):
        return f'"{shown(value)}"' if value else '""'
    return shown(list(value) if isinstance(value, tuple) else value)
