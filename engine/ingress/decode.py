"""Decoding: what was sent becomes events, or is told why not.

In: a submission, its items bytes or decoded objects. Out: events in its order; every other item has been settled as rejected.
Rule of the file: nothing that one item holds can harm another.

A claim key is the type, `:`, and the event's identity; the identity is also the event's id in answers. Types without a rule
for copies have neither.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn
from zlib import crc32

import orjson

from engine.event import Event, JsonObject, Outcome, Submission
from engine.ingress import faults
from engine.ingress.large_integers import any_has_long_digits, find_large_integer
from engine.rules.first_error import FirstError
from engine.rules.keys import escaped
from engine.rules.model import Path
from engine.rules.plan_events import EventPlan, Reader, TypePlan
from engine.rules.schemas import EventSchema
from engine.rules.times import MAX_TIME_MS, MIN_TIME_MS, parse_time

MAX_DEPTH: Final = 64
"""How deeply arrays and objects may be nested, the event itself counted."""


class _Rejected(Exception):
    """An event cannot go in; `outcome` is what its sender is told."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the loop needs of an event type. `identify` returns the event's identity or raises."""

    schema: EventSchema | None = None
    identify: Callable[[JsonObject], str] | None = None
    claim_prefix: str = ""
    ttl_ms: int = 0


_UNDECLARED: Final = _Kind()


class Decoder:
    """Decodes submissions under one plan.

    `now_ms` is the wall clock that `events.max_skew` refers to. An event's size is that of its canonical form: compact UTF-8
    with its members sorted. `max_depth` can do nothing beyond 254, the encoder's own limit.
    """

    def __init__(self, plan: EventPlan, now_ms: Callable[[], int], *, max_event_bytes: int, max_depth: int = MAX_DEPTH) -> None:
        self._plan = plan
        self._now_ms = now_ms
        self._max_event_bytes = max_event_bytes
        self._max_depth = max_depth
        self._report = FirstError("decoding")
        self._kinds = {name: _kind(type_plan) for name, type_plan in plan.types.items()}

    def decode(self, submission: Submission) -> list[Event]:
        """The events of a submission, in its order.

        Items that are no events are settled as rejected before this returns; should they be all, the submission is done.
        Objects among the items are as `orjson` decoded them, from JSON without integers beyond 64 bits; they are kept and later
        changed, not copied.
        """
        plan, kinds, max_event_bytes, max_depth = self._plan, self._kinds, self._max_event_bytes, self._max_depth
        read_type, read_time, read_key = plan.read_type, plan.read_time, plan.read_key
        now_ms = self._now_ms()
        earliest_ms = MIN_TIME_MS if plan.max_past_ms is None else now_ms - plan.max_past_ms
        latest_ms = MAX_TIME_MS if plan.max_future_ms is None else now_ms + plan.max_future_ms
        doubt = any_has_long_digits(submission.items)
        loads, dumps, ids = orjson.loads, orjson.dumps, submission.ids
        events: list[Event] = []
        for index, item in enumerate(submission.items):
            try:
                raw = item if type(item) is bytes else None
                data = item if raw is None else loads(raw)
                if type(data) is not dict:
                    _reject(faults.not_an_object(data))
                try:
                    canonical = dumps(data, option=orjson.OPT_SORT_KEYS)
                except orjson.JSONEncodeError:
                    _reject(faults.too_deep(max_depth))
                if len(canonical) > max_event_bytes or canonical.count(b"{") + canonical.count(b"[") > max_depth:
                    self._check_extent(data, len(canonical))
                if doubt and raw is not None:
                    _check_integers(raw)
                if "enrichment" in data or "processing" in data:
                    _reject(faults.reserved_member(data))
                name = read_type(data)
                kind = kinds.get(name) if type(name) is str else None
                if kind is None:
                    kind = self._undeclared(name)
                claim_key = None
                if kind.identify is not None:
                    ids[index] = identity = kind.identify(data)
                    claim_key = kind.claim_prefix + identity
                time_ms = parse_time(read_time(data))
                if time_ms is None:
                    _reject(faults.bad_time(plan.time_path, read_time(data)))
                if not earliest_ms <= time_ms <= latest_ms:
                    _reject(self._outside_skew(time_ms, now_ms))
                if kind.schema is not None and not kind.schema.is_valid(data):
                    _reject(faults.against_schema(kind.schema, data))
                key = read_key(data)
                if type(key) is not str or not key:
                    key = str(key) if type(key) is int else None
                events.append(
                    Event(data, raw, str(name), time_ms, key, claim_key, kind.ttl_ms, crc32(canonical), submission, index)
                )
            except Exception as error:  # noqa: BLE001 - whatever a bug raises costs one event, never the batch
                submission.settle(index, _outcome(error, item, self._report))
        return events

    def _undeclared(self, name: object) -> _Kind:
        plan = self._plan
        if name is None:
            _reject(faults.missing_type(plan.type_path))
        if not (plan.pass_unknown_types and isinstance(name, str) and name):
            _reject(faults.unknown_type(plan.type_path, name, self._kinds))
        return _UNDECLARED

    def _outside_skew(self, time_ms: int, now_ms: int) -> Outcome:
        limit_ms = self._plan.max_future_ms if time_ms > now_ms else self._plan.max_past_ms
        return faults.outside_skew(self._plan.time_path, time_ms, now_ms, limit_ms)

    def _check_extent(self, data: JsonObject, size_bytes: int) -> None:
        """Reject what is too large, or nested too deeply and not merely full of brackets."""
        if size_bytes > self._max_event_bytes:
            _reject(faults.too_large(size_bytes, self._max_event_bytes))
        containers: list[object] = [data]
        for _ in range(self._max_depth):
            members = (member for container in containers for member in _members(container))
            containers = [member for member in members if isinstance(member, dict | list)]
        if containers:
            _reject(faults.too_deep(self._max_depth))


def _check_integers(raw: bytes) -> None:
    found = find_large_integer(raw)
    if found:
        _reject(faults.number_range(*found))


def _reject(outcome: Outcome) -> NoReturn:
    raise _Rejected(outcome)


def _members(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _outcome(error: Exception, item: bytes | JsonObject, report: FirstError) -> Outcome:
    if isinstance(error, _Rejected):
        return error.outcome
    if isinstance(error, orjson.JSONDecodeError) and isinstance(item, bytes):
        return faults.invalid_json(item, error)
    report(error)
    return faults.internal_error(error)


def _kind(type_plan: TypePlan) -> _Kind:
    identify = _identify(type_plan.identity) if type_plan.identity else None
    return _Kind(type_plan.schema, identify, f"{type_plan.name}:", type_plan.ttl_ms)


def _identify(parts: tuple[tuple[Path, Reader], ...]) -> Callable[[JsonObject], str]:
    """One part is the identity as it is; several are escaped and joined, so that no two lists of parts give one text."""
    if len(parts) > 1:
        return lambda data: ",".join([escaped(_identity_part(path, read(data))) for path, read in parts])
    ((path, read),) = parts

    def identify(data: JsonObject) -> str:
        value = read(data)
        return value if type(value) is str and 0 < len(value) <= faults.MAX_IDENTITY_CHARS else _identity_part(path, value)

    return identify


def _identity_part(path: Path, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= faults.MAX_IDENTITY_CHARS:
        return value
    if type(value) is int:
        return str(value)
    _reject(faults.bad_claim_key(path, value))
