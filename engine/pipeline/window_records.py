"""A closed window as a record of its own.

In: a window's partials and what their owners have committed. Out: its identity and the bytes that tell its values. Rule of the file: the
bytes hang on what is committed alone, so that whoever publishes a revision again publishes the same.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson

from engine.event import Record
from engine.ports import Group, StoredPartial
from engine.rules.aggregation_plan import AggregationPlan, read_window
from engine.rules.times import format_nearest
from engine.rules.values import json_bytes


class Result(NamedTuple):
    """What a window comes to; `digest` stands for its contents in the window's claim."""

    window: Group
    contents: bytes
    digest: int

    def record(self, topic: str, revision: int) -> Record:
        """The record of this result; revisions count from 1."""
        identity = orjson.dumps(identity_of(self.window))
        return Record(topic, self.window.key, b'{"id":%b,"revision":%d,%b' % (identity, revision, self.contents[1:]))


def identity_of(window: Group) -> str:
    """What all revisions of a window have in common, and no other window has; it changes with what the aggregation counts."""
    return f"{window.aggregation}/{window.key}/{format_nearest(window.start_ms)}"


def claim_key(window: Group) -> str:
    """The key of the claim on a window's next revision; no type of event has a space in its name before a colon."""
    return f"window of {window.aggregation}:{window.start_ms}:{window.key}"


def result_of(
    plan: AggregationPlan, window: Group, stored: Sequence[StoredPartial], committed: Mapping[str, int]
) -> Result | None:
    """What a window comes to; None where nothing of it is committed."""
    read = read_window(plan, window.start_ms, stored, committed)
    if read is None:
        return None
    contents = json_bytes(
        {
            "aggregator": plan.rule.id,
            "key": window.key,
            "start": format_nearest(read.start_ms),
            "end": format_nearest(read.end_ms),
            "values": read.values,
        }
    )
    return Result(window, contents, int.from_bytes(blake2b(contents, digest_size=8).digest()) >> 1)
