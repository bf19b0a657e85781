"""Derived fields as generated code.

In: the derived fields of a ruleset. Out: lines that compute them for one event with its contexts. Rule of the file: a field whose
input is missing or of the wrong type is left out, and so is a division by zero, a number beyond those of events, an hour in an unknown
zone, and an expression that finds nothing or raises.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, cast

from engine.event import JsonObject
from engine.rules.emitter import Emitter
from engine.rules.expressions import ExtractionFailed, compile_expression
from engine.rules.fields import Fields
from engine.rules.model import Derived, Extract, FieldRef, Path, Ruleset
from engine.rules.times import parse_time
from engine.rules.timezones import PARTS_OF_DAY, local_hour
from engine.rules.values import DERIVED, ENRICHMENT, is_json_number

_HOUR_MS: Final = 3_600_000
_NUMBER: Final = "(type({0}) is int or type({0}) is float)"


class DerivedWriter:
    """Writes what computes the derived fields of one event.

    The function has the locals `event`, `data`, the event's dict, and `derived`, the object of it that is filled.
    """

    def __init__(self, emitter: Emitter, ruleset: Ruleset) -> None:
        self._emitter = emitter
        self._fields = Fields(emitter, ruleset.enrichment.sources)
        self._sources = ruleset.enrichment.sources
        self._derived = ruleset.enrichment.derived.values()
        self._time = ruleset.events.time
        self._parse_time = emitter.bind(parse_time, "parse_time")
        self._writers = {
            "bucket": self._bucket,
            "difference": self._difference,
            "ratio": self._ratio,
            "hour": self._hour,
            "part_of_day": self._part_of_day,
            "jmespath": self._jmespath,
        }

    def write_all(self) -> None:
        """Write all fields, each reading what those before it gave."""
        self._fields.emit_reads()
        used = {
            path.steps[1]
            for field in self._derived
            for path in _paths(field)
            if path.steps[:1] == (DERIVED,) and len(path.steps) > 1
        }
        for field in self._derived:
            self._writers[field.kind](field)
            if field.name in used:
                self._fields.emit_reads([(ENRICHMENT, DERIVED, field.name)])

    def _store(self, field: Derived, value: str) -> None:
        self._emitter.line(f"derived[{self._emitter.bind(field.name, 'member')}] = {value}")

    def _store_number(self, field: Derived, value: str) -> None:
        number = self._emitter.local("number")
        with self._emitter.block(f"if {self._emitter.bind(is_json_number, 'is_json_number')}({number} := {value}):"):
            self._store(field, number)

    def _bucket(self, field: Derived) -> None:
        path, edges, labels = field.args
        value = self._operand(path)
        bound = self._emitter.bind(tuple(cast("Sequence[float]", edges)), "edges")
        names = self._emitter.bind(tuple(cast("Sequence[object]", labels)), "labels")
        with self._emitter.block(f"if {_NUMBER.format(value)}:"):
            self._store(field, f"{names}[{self._emitter.bind(bisect_right, 'bisect_right')}({bound}, {value})]")

    def _difference(self, field: Derived) -> None:
        left, right = (self._operand(argument) for argument in field.args)
        with self._emitter.block(f"if {_NUMBER.format(left)} and {_NUMBER.format(right)}:"):
            self._store_number(field, f"{left} - {right}")

    def _ratio(self, field: Derived) -> None:
        left, right = (self._operand(argument) for argument in field.args)
        with self._emitter.block(f"if {_NUMBER.format(left)} and {_NUMBER.format(right)} and {right} != 0:"):
            self._store_number(field, f"{left} / {right}")

    def _operand(self, argument: object) -> str:
        return self._fields.local(argument) if isinstance(argument, Path) else self._emitter.bind(argument, "number")

    def _hour(self, field: Derived) -> None:
        self._with_hour(field, "{0}")

    def _part_of_day(self, field: Derived) -> None:
        self._with_hour(field, f"{self._emitter.bind(PARTS_OF_DAY, 'parts')}[{{0}} // 6]")

    def _with_hour(self, field: Derived, form: str) -> None:
        path, zone = field.args
        at_ms = self._emitter.local("at_ms")
        own_time = path == self._time and path.steps[0] not in self._sources
        value = "event.time_ms" if own_time else f"{self._parse_time}({self._operand(path)})"
        with self._emitter.block(f"if ({at_ms} := {value}) is not None:"):
            if zone == "UTC":
                self._store(field, form.format(f"({at_ms} // {_HOUR_MS} % 24)"))
                return
            name = self._operand(zone.path) if isinstance(zone, FieldRef) else self._emitter.bind(zone, "zone")
            hour = self._emitter.local("hour")
            with self._emitter.block(
                f"if ({hour} := {self._emitter.bind(local_hour, 'local_hour')}({at_ms}, {name})) is not None:"
            ):
                self._store(field, form.format(hour))

    def _jmespath(self, field: Derived) -> None:
        (asked,) = field.args
        if not isinstance(asked, Extract):
            raise TypeError(f"not an expression: {asked!r}")
        extract = compile_expression(asked.expression, self._sources)

        def found(data: JsonObject) -> object:
            try:
                return extract(data)
            except ExtractionFailed:
                return None

        value = self._emitter.local("found")
        with self._emitter.block(f"if ({value} := {self._emitter.bind(found, 'extract')}(data)) is not None:"):
            self._store(field, value)


def _paths(field: Derived) -> list[Path]:
    """The paths that a derived field reads, other than in an expression."""
    refs = [argument.path if isinstance(argument, FieldRef) else argument for argument in field.args]
    return [path for path in refs if isinstance(path, Path) and not path.own]
