"""Publishing: events become records, and records go to the egress.

In: the events of a batch that filters let through. Out: each is on the egress and counted, or refused for good and
kept as a dead letter. Rule of the file: an event is encoded once, as the rules left it.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import orjson

from engine.event import REJECTED, DeadLetter, Event, JsonObject, Outcome, Record, Refusal
from engine.metrics import Counters
from engine.pipeline.batch import Batch
from engine.pipeline.isolate import isolated
from engine.ports import Clock, DeadLetters, Egress
from engine.rules.first_error import FirstError
from engine.rules.times import format_time
from engine.rules.values import json_bytes

_DEGRADED = ("deduplication",)
_record: Final[Callable[[tuple[str, str | None, bytes, Event]], Record]] = partial(tuple.__new__, Record)
"""A record of its four fields; as `Record` itself, in a fifth of the time."""


class Publisher:
    """Hands the records of batches over, in order, and waits until they are delivered."""

    def __init__(self, egress: Egress, dead_letters: DeadLetters, clock: Clock, counters: Counters, topic: str) -> None:
        self._egress = egress
        self.dead_letters = dead_letters
        self._clock = clock
        self._counters = counters
        self._topic = topic
        self._report = FirstError("encoding of records")

    def hand_over(self, batch: Batch, ruleset: str, *, degraded: bool = False) -> Awaitable[list[Refusal]]:
        """Encode the batch's events and hand their records to the egress before this call returns."""
        failed = isolated(lambda events: self._stamp(events, ruleset, degraded=degraded), batch.events, self._report)
        if failed:
            self._counters.encode_errors += len(failed)
            self._set_aside(batch, {id(event): (event, "unencodable", why) for event, why in failed})
        records = self._records(batch.events)
        self._counters.published_records += len(records)
        return self._egress.send(records)

    async def delivered(self, batch: Batch, delivery: Awaitable[list[Refusal]], ruleset: str) -> None:
        """Wait for the records; afterwards `batch.counted` holds what is out, and the rest is a dead letter.

        Raises EgressUnavailable where nothing can be known of the records.
        """
        refusals = await delivery
        if refusals:
            self._refuse(batch, refusals)
        if any(outcome.status == REJECTED for _, outcome in batch.freeing) or refusals:
            await self._bury(batch, refusals, ruleset)
        batch.count_all()

    async def bury(self, events: Sequence[Event], why: Outcome, stage: str, ruleset: str) -> None:
        """Keep events as dead letters. Raises EgressUnavailable where they cannot be kept."""
        await self.dead_letters.put([self._letter(event, why.code, why.message, stage, ruleset) for event in events])
        self._counters.dead_letters += len(events)

    def _stamp(self, events: Sequence[Event], ruleset: str, *, degraded: bool) -> None:
        """Encode the events as records. What came in is taken as the decoder wrote it, unless a transform has changed it."""
        dumps, joined = orjson.dumps, b"".join
        notes: dict[tuple[object, ...], bytes] = {}
        for event in events:
            submission = event.submission
            seen = (submission.received_ms, event.marks, event.routes, event.late, event.takeovers)
            note = notes.get(seen)
            if note is None:
                note = notes[seen] = _note(event, ruleset, degraded=degraded)
            identity = dumps(submission.ids[event.index])
            if event.body:
                enrichment = dumps(event.data["enrichment"])
                event.encoded = joined((event.body, b',"enrichment":', enrichment, b',"processing":{"id":', identity, note, b"}"))
            else:
                processing = orjson.Fragment(b'{"id":%b%b' % (identity, note))
                event.encoded = dumps({**event.data, "processing": processing})

    def _records(self, events: Sequence[Event]) -> list[Record]:
        topic = self._topic
        records = list(map(_record, [(event.topic or topic, event.key, event.encoded, event) for event in events]))
        by_route = self._counters.published_by_route
        for event in [event for event in events if event.routes]:
            for name in event.routes:
                by_route[name] = by_route.get(name, 0) + 1
            records += [Record(copy, event.key, event.encoded, event) for copy in event.copies]
        return records

    def _set_aside(self, batch: Batch, failed: dict[int, tuple[Event, str, str]]) -> None:
        for event, code, why in failed.values():
            batch.freeing.append((event, Outcome(REJECTED, code, why, stage="publish")))
        batch.events = [event for event in batch.events if id(event) not in failed]

    def _refuse(self, batch: Batch, refusals: Sequence[Refusal]) -> None:
        """An event is published when one of its records is."""
        self._counters.refused_records += len(refusals)
        refused: dict[int, int] = {}
        for refusal in refusals:
            if refusal.record.event is not None:
                refused[id(refusal.record.event)] = refused.get(id(refusal.record.event), 0) + 1
        reasons = {id(refusal.record.event): refusal.reason for refusal in refusals}
        lost = [event for event in batch.events if refused.get(id(event), 0) > len(event.copies)]
        self._set_aside(batch, {id(event): (event, "refused", reasons[id(event)]) for event in lost})

    async def _bury(self, batch: Batch, refusals: Sequence[Refusal], ruleset: str) -> None:
        whole = [
            self._letter(event, outcome.code, outcome.message, "publish", ruleset)
            for event, outcome in batch.freeing
            if outcome.status == REJECTED
        ]
        lost = {id(event) for event, outcome in batch.freeing if outcome.status == REJECTED}
        parts = [
            self._letter(r.record.event, "refused", f"topic `{r.record.topic}`: {r.reason}", "publish", ruleset)
            for r in refusals
            if r.record.event is not None and id(r.record.event) not in lost
        ]
        await self.dead_letters.put(whole + parts)
        self._counters.dead_letters += len(whole) + len(parts)

    def _letter(self, event: Event, code: str, reason: str, stage: str, ruleset: str) -> DeadLetter:
        submission = event.submission
        submission.kept |= {event.index}
        return DeadLetter(original_bytes(event), reason, code, stage, ruleset, submission.ids[event.index], self._clock.now_ms())


def _note(event: Event, ruleset: str, *, degraded: bool) -> bytes:
    """What `processing` says of an event behind its id, from the comma to the end of the object."""
    note: JsonObject = {
        "ruleset": ruleset,
        "marks": event.marks,
        "routes": event.routes,
        "late": event.late,
        "degraded": _DEGRADED if degraded else (),
        "received_at": format_time(event.submission.received_ms),
    }
    if event.takeovers:
        note["takeover"] = True
    return b"," + orjson.dumps(note)[1:]


def original_bytes(event: Event) -> bytes:
    """The event as it came in: its own bytes, or where it was part of a larger body, what it said."""
    if event.raw is not None:
        return event.raw
    if event.body:
        return event.body + b"}"
    own = {name: value for name, value in event.data.items() if name not in ("enrichment", "processing")}
    return json_bytes(own)
