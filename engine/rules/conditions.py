"""Conditions as Python expressions: definitely true, definitely false, met a wrong type.

In: conditions as written, and the fields of the function that is being generated. Out: text of expressions. Rule of the
file: an expression reads locals and bound names only, has no side effect, and raises on no JSON value.
"""

from typing import Literal, Protocol

from engine.rules.emitter import Emitter
from engine.rules.fields import Fields
from engine.rules.model import Condition, FieldRef, Path, Ruleset
from engine.rules.normalise import NORMALS, AnyOne, EveryOne, Leaf, Normal, normalise
from engine.rules.operators import COSTS, Operators, Tested
from engine.rules.values import MISSING

_Question = Literal["true", "false", "wrong_type"]


class Reader(Protocol):
    """Where a condition's paths lead."""

    def local(self, path: Path) -> str:
        """An expression, free of cost, for the value at `path` or MISSING."""


class ConditionWriter:
    """Writes the conditions of one generated function.

    The function must have the locals `data`, the event's dict, and `time_ms`, the event's time, and the reads of `fields`
    before the first expression. Every method raises KeyError for a list or a condition that the ruleset has not, and
    TypeError or ValueError for operands that the parser refuses.
    """

    def __init__(self, emitter: Emitter, fields: Fields, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._writer = _Writer(emitter, Operators(emitter), fields, ruleset)
        self._last: tuple[Condition, Normal] | None = None

    def true(self, condition: Condition) -> str:
        """An expression that is true where the condition is true, and false where it is false or unknown."""
        return self._writer.write("true", self._normal(condition))

    def false(self, condition: Condition) -> str:
        """An expression that is true where the condition is false, and false where it is true or unknown."""
        return self._writer.write("false", self._normal(condition))

    def wrong_type(self, condition: Condition) -> str:
        """An expression that is true where some test of the condition met a value of the wrong type."""
        return self._writer.write("wrong_type", self._normal(condition))

    def _normal(self, condition: Condition) -> Normal:
        """The normal form; all three questions are asked of one condition after the other."""
        if self._last is None or self._last[0] is not condition:
            self._last = condition, normalise(condition, self._ruleset)
        return self._last[1]


class _Writer:
    def __init__(self, emitter: Emitter, operators: Operators, reader: Reader, ruleset: Ruleset) -> None:
        self._emitter = emitter
        self._operators = operators
        self._reader = reader
        self._ruleset = ruleset
        self._missing = emitter.bind(MISSING, "missing")

    def write(self, question: _Question, normal: Normal) -> str:
        """The expression that answers the question; compound ones stand in parentheses."""
        if isinstance(normal, Leaf):
            return f"({self._leaf(question, normal)})"
        items = [self.write(question, item) for item in sorted(normal.items, key=_cost)]
        every = isinstance(normal, EveryOne) if question == "true" else question == "false" and isinstance(normal, AnyOne)
        if not items:
            return str(every)
        return f"({(' and ' if every else ' or ').join(items)})"

    def _leaf(self, question: _Question, leaf: Leaf) -> str:
        value = self._reader.local(leaf.path)
        if leaf.operator in {"exists", "is_null"}:
            return self._presence(question, leaf, value)
        if question == "wrong_type":
            return self._wrong_type(leaf, value)
        positive = (question == "true") is not leaf.negated
        if isinstance(leaf.operand, NORMALS):
            answer = self._elements(question, leaf.operator, leaf.operand, value)
        else:
            tested = self._tested(leaf, value)
            answer = tested.true() if positive else tested.false()
        if leaf.when_missing is (question == "true"):
            return f"{value} is None or {value} is {self._missing} or {answer}"
        return answer

    def _presence(self, question: _Question, leaf: Leaf, value: str) -> str:
        if question == "wrong_type":
            return "False"
        positive = (question == "true") is not leaf.negated
        if leaf.operator == "is_null":
            return f"{value} is None" if positive else f"{value} is not None"
        if positive:
            return f"{value} is not None and {value} is not {self._missing}"
        return f"{value} is None or {value} is {self._missing}"

    def _tested(self, leaf: Leaf, value: str) -> Tested:
        return self._operators.write(leaf, value, self._operand(leaf))

    def _operand(self, leaf: Leaf) -> str | None:
        return self._reader.local(leaf.operand.path) if isinstance(leaf.operand, FieldRef) else None

    def _wrong_type(self, leaf: Leaf, value: str) -> str:
        if isinstance(leaf.operand, NORMALS):
            inner = self._elements("wrong_type", leaf.operator, leaf.operand, value)
            return f"{inner} or {self._there(value)} and type({value}) is not list"
        operand = self._operand(leaf)
        there = self._there(value) if operand is None else f"{self._there(value)} and {self._there(operand)}"
        return f"{there} and not ({self._tested(leaf, value).guard})"

    def _there(self, value: str) -> str:
        return f"{value} is not None and {value} is not {self._missing}"

    def _elements(self, question: _Question, operator: str, condition: Normal, value: str) -> str:
        """Some and every as a loop over the elements in a function of its own; size as a condition on their number."""
        is_list = f"type({value}) is list"
        if operator == "size":
            counted = _Writer(self._emitter, self._operators, _Count(value, self._reader, self._missing), self._ruleset)
            return f"{is_list} and {counted.write(question, condition)}"
        wants_all = (operator == "every") is (question == "true") and question != "wrong_type"
        found = self._emitter.bind(self._loop(question, condition, stop_where=not wants_all), "found")
        call = f"{found}({value}, data, time_ms)"
        return f"{is_list} and {'not ' if wants_all else ''}{call}"

    def _loop(self, question: _Question, condition: Normal, *, stop_where: bool) -> object:
        """A function that says whether there is an element for which the question's answer is `stop_where`."""
        emitter = Emitter("elements", self._emitter.texts)
        fields = Fields(emitter, self._ruleset.enrichment.sources, element="element")
        answer = _Writer(emitter, Operators(emitter), fields, self._ruleset).write(question, condition)
        with emitter.block("for element in elements:"):
            fields.emit_reads()
            with emitter.block(f"if {answer}:" if stop_where else f"if not {answer}:"):
                emitter.line("return True")
        emitter.line("return False")
        return emitter.function("elements", "data", "time_ms")


class _Count:
    """Inside `size`, the empty path is the number of elements, and has no members."""

    def __init__(self, array: str, outer: Reader, missing: str) -> None:
        self._array = array
        self._outer = outer
        self._missing = missing

    def local(self, path: Path) -> str:
        if path.own:
            return self._outer.local(path)
        return self._missing if path.steps else f"len({self._array})"


def _cost(normal: Normal) -> int:
    if isinstance(normal, Leaf):
        return COSTS[normal.operator]
    return sum(_cost(item) for item in normal.items)
