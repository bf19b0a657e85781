"""Decoding: what was sent becomes events, or is told why not.

In: a submission, its items bytes or decoded objects. Out: events in its order; every other item has been settled as rejected.
Rule of the file: nothing that one item holds can harm another.

A claim key is the type, `:`, and the event's identity; the identity is also the event's id in answers. Types without a rule
for copies have neither.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn
from zlib import crc32

import orjson

from engine.event import Event, JsonObject, Outcome, Submission
from engine.ingress import faults
from engine.ingress.large_integers import any_has_long_digits, find_large_integer
from engine.rules.first_error import FirstError
from engine.rules.keys import escaped
from engine.rules.model import Path
from engine.rules.plan_events import EventPlan, Reader, TypePlan, single_member
from engine.rules.schemas import EventSchema
from engine.rules.times import MAX_TIME_MS, MIN_TIME_MS, parse_time

MAX_DEPTH: Final = 64
"""How deeply arrays and objects may be nested, the event itself counted."""


_ARRAY: Final = ord("[")


class _Rejected(Exception):
    """An event cannot go in; `outcome` is what its sender is told."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the loop needs of an event type. `identify` returns the event's identity or raises.

    Where the identity is one member of the event, `identity_member` names it; what is plain text there is the identity.
    """

    schema: EventSchema | None = None
    identify: Callable[[JsonObject], str] | None = None
    identity_member: str = ""
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
        plan, kinds, max_event_bytes = self._plan, self._kinds, self._max_event_bytes
        read_type, read_time, read_key = plan.read_type, plan.read_time, plan.read_key
        type_member, time_member, key_member = plan.members
        now_ms = self._now_ms()
        earliest_ms, latest_ms = self._times_taken(now_ms)
        ids = submission.ids
        doubt = any_has_long_digits(submission.items)
        events: list[Event] = []
        for index, (item, data, body, checksum) in enumerate(_columns(submission.items)):
            try:
                if type(data) is not dict or type(body) is not bytes:
                    self._refuse(data)
                if len(body) > max_event_bytes or _ARRAY in body or 0 < body.find(b"{", 1) < body.rfind(b"{"):
                    self._check_extent(data, body)
                raw = item if type(item) is bytes else None
                if doubt and raw is not None:
                    _check_integers(raw)
                if "enrichment" in data or "processing" in data:
                    _reject(faults.reserved_member(data))
                name = data.get(type_member) if type_member else read_type(data)
                kind = (kinds.get(name) if type(name) is str else None) or self._undeclared(name)
                claim_key = None
                if kind.identify is not None:
                    identity = data.get(kind.identity_member)
                    if type(identity) is not str or not 0 < len(identity) <= faults.MAX_IDENTITY_CHARS:
                        identity = kind.identify(data)
                    ids[index] = identity
                    claim_key = kind.claim_prefix + identity
                time = data.get(time_member) if time_member else read_time(data)
                time_ms = parse_time(time)
                if time_ms is None:
                    _reject(faults.bad_time(plan.time_path, time))
                if not earliest_ms <= time_ms <= latest_ms:
                    _reject(self._outside_skew(time_ms, now_ms))
                if kind.schema is not None and not kind.schema.is_valid(data):
                    _reject(faults.against_schema(kind.schema, data))
                key = data.get(key_member) if key_member else read_key(data)
                if type(key) is not str or not key:
                    key = str(key) if type(key) is int else None
                ttl_ms = kind.ttl_ms
                events.append(Event(data, raw, str(name), time_ms, key, claim_key, ttl_ms, checksum, submission, index, body))
            except Exception as error:  # noqa: BLE001 - whatever a bug raises costs one event, never the batch
                submission.settle(index, _outcome(error, item, self._report))
                error.__traceback__ = None  # it knows this frame, which may know the error: a cycle around the whole batch
        return events

    def _times_taken(self, now_ms: int) -> tuple[int, int]:
        """The earliest and the latest time that an event may have now."""
        past_ms, future_ms = self._plan.max_past_ms, self._plan.max_future_ms
        earliest_ms = MIN_TIME_MS if past_ms is None else now_ms - past_ms
        return earliest_ms, MAX_TIME_MS if future_ms is None else now_ms + future_ms

    def _refuse(self, value: object) -> NoReturn:
        """Reject what was not decoded to an object, or cannot be encoded again for its depth."""
        if isinstance(value, Exception):
            raise value
        _reject(faults.too_deep(self._max_depth) if isinstance(value, dict) else faults.not_an_object(value))

    def recheck(self, event: Event) -> Outcome | None:
        """What is wrong, under this plan, with an event that another plan's decoder took; None where nothing is.

        Its type and its content are looked at again; its time, its key and its identity stay as they were read.
        """
        try:
            kind = self._kinds.get(event.type) or self._undeclared(event.type)
            if kind.schema is not None and not kind.schema.is_valid(event.data):
                _reject(faults.against_schema(kind.schema, event.data))
        except _Rejected as error:
            return error.outcome
        return None

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

    def _check_extent(self, data: JsonObject, body: bytes) -> None:
        """Reject what is too large, or nested too deeply and not merely full of brackets."""
        if len(body) > self._max_event_bytes:
            _reject(faults.too_large(len(body), self._max_event_bytes))
        if body.count(b"{") + body.count(b"[") <= self._max_depth:
            return
        containers: list[object] = [data]
        for _ in range(self._max_depth):
            members = (member for container in containers for member in _members(container))
            containers = [member for member in members if isinstance(member, dict | list)]
        if containers:
            _reject(faults.too_deep(self._max_depth))


def _each(function: Callable[[Any], object], items: Iterable[object]) -> list[Any]:
    """The function of each item, in one loop of C; where it raises, the exception stands in the result's place."""
    results: list[object] = []
    calls = map(function, items)
    while True:
        try:
            results += calls  # keeps what came before an exception, and goes on after it
        except Exception as error:  # noqa: BLE001 - what one item raises is that item's end, told when its turn comes
            results.append(error.with_traceback(None))
        else:
            return results


def _load(item: object) -> object:
    return orjson.loads(item) if type(item) is bytes else item


_dump_sorted: Final = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)


def _columns(items: Sequence[object]) -> "zip[tuple[object, Any, Any, Any]]":
    """Each item with its value, its canonical form and the checksum of that; an exception stands for what could not be made."""
    values = _each(orjson.loads if set(map(type, items)) == {bytes} else _load, items)
    bodies = _each(_dump_sorted, values)
    return zip(items, values, bodies, _each(crc32, bodies), strict=True)


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


def _outcome(error: Exception, item: object, report: FirstError) -> Outcome:
    if isinstance(error, _Rejected):
        return error.outcome
    if isinstance(error, orjson.JSONDecodeError) and isinstance(item, bytes):
        return faults.invalid_json(item, error)
    report(error)
    return faults.internal_error(error)


def _kind(type_plan: TypePlan) -> _Kind:
    parts = type_plan.identity
    member = single_member(parts[0][0]) if len(parts) == 1 else ""
    return _Kind(type_plan.schema, _identify(parts) if parts else None, member, f"{type_plan.name}:", type_plan.ttl_ms)


def _identify(parts: tuple[tuple[Path, Reader], ...]) -> Callable[[JsonObject], str]:
    """One part is the identity as it is; several are escaped and joined, so that no two lists of parts give one text."""
    if len(parts) > 1:
        return lambda data: ",".join([escaped(_identity_part(path, read(data))) for path, read in parts])
    ((path, read),) = parts
    return lambda data: _identity_part(path, read(data))


def _identity_part(path: Path, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= faults.MAX_IDENTITY_CHARS:
        return value
    if type(value) is int:
        return str(value)
    _reject(faults.bad_claim_key(path, value))
