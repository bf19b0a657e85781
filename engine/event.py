"""What travels: an event, the submission it came in, and its end.

Rule of the file: no I/O and no clock. An event is a dict from the decoder and is changed in place; what rules judged
is what goes out. Everything else about it is kept beside the dict, here.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

JsonObject = dict[str, object]

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
BLOCKED: Final = "blocked"
REJECTED: Final = "rejected"
RETRY: Final = "retry"
STATUSES: Final = (ACCEPTED, DUPLICATE, BLOCKED, REJECTED, RETRY)

MAX_LINE_BYTES: Final = 256 << 20
"""Longer lines are not read from files. It is more than the longest dead letter can have: an event of the largest size, every byte of it escaped."""


class Outcome(NamedTuple):
    """How an event ended, as its sender is told.

    `code` is a stable word for programs (`invalid_json`, `schema`, `bot_traffic` …), `message` is for people and
    says what to do, `pointer` is a JSON pointer into the event where one place is at fault. `stage` is where an event was rejected that had been decoded, for its dead letter.
    """

    status: str
    code: str = ""
    message: str = ""
    pointer: str = ""
    stage: str = ""


OUTCOME_ACCEPTED: Final = Outcome(ACCEPTED)
OUTCOME_DUPLICATE: Final = Outcome(DUPLICATE)


class Submission:
    """Some events that one sender is waiting for: an HTTP request, or a piece of a file.

    `items` holds what came in, bytes not yet decoded or an object that was part of a larger body, and the outcome of what is known
    to be no event. `outcomes` has the same order; an entry is None until that event has ended. `done` is called once, when the last has ended.
    `kept` are the places of those that are dead letters already. `taken` says that the sender was answered before that. `ruleset` is the id of the rules that judge it, empty while none have seen it.
    """

    __slots__ = ("done", "ids", "input", "items", "kept", "outcomes", "pending", "received_ms", "ruleset", "size_bytes", "taken")

    def __init__(
        self,
        items: Sequence[bytes | JsonObject | Outcome],
        *,
        input_name: str,
        received_ms: int,
        size_bytes: int,
        done: Callable[["Submission"], None],
    ) -> None:
        self.items = items
        self.input = input_name
        self.received_ms = received_ms
        self.size_bytes = size_bytes
        self.done = done
        self.pending = len(items)
        self.kept: frozenset[int] = frozenset()
        self.taken = False
        self.ruleset = ""
        self.outcomes: list[Outcome | None] = [None] * len(items)
        self.ids: list[str | None] = [None] * len(items)

    def pack(self) -> None:
        """Keep decoded objects as JSON from here on: they take about a fifth of the room, and are decoded once more when their turn comes.

        What cannot be encoded, because it is nested too deeply, stays as it is.
        """
        self.items = [_packed(item) if isinstance(item, dict) else item for item in self.items]

    def settle(self, index: int, outcome: Outcome) -> None:
        """Give the event at `index` its one outcome. A second one is a bug and raises RuntimeError.

        Nothing happens where the sender was answered before.
        """
        if self.outcomes[index] is not None:
            if self.taken:
                return
            raise RuntimeError(f"event {index} was settled as {self.outcomes[index]} and again as {outcome}")
        self.outcomes[index] = outcome
        self.pending -= 1
        if not self.pending:
            self.done(self)

    def take(self) -> None:
        """Answer the sender now: everything not settled yet is accepted, as far as it is told."""
        self.taken = True
        if self.pending:
            self.outcomes = [outcome or OUTCOME_ACCEPTED for outcome in self.outcomes]
            self.pending = 0
            self.done(self)


def encoded(data: JsonObject) -> bytes:
    """An object as JSON, in no more room than it needs; what `orjson` makes has room for 4 KiB, however short it is.

    Raises orjson.JSONEncodeError for what is nested more deeply than 254 times.
    """
    return bytes(memoryview(orjson.dumps(data)))


def _packed(item: JsonObject) -> bytes | JsonObject:
    try:
        return encoded(item)
    except orjson.JSONEncodeError:
        return item


_GONE: Final[JsonObject] = {}


class Event:
    """One event on its way through the stages.

    `claim_key` is None where its type has no deduplication; `key` is the ordering and partition key or None;
    `body` is the event in canonical form as it came, without its closing brace; empty where that is not at hand, or a transform has
    changed the event since;
    `checksum` is the CRC-32 of the whole form; `ttl_ms` is how long its claim lasts.
    `marks`, `routes` (names), `copies` (topics) and `topic` (None: the main topic) are what filters decided;
    `blocked` is `(filter id, reason)` where one ended it. What most events never get is a default of the class. `encoded` is the record's value once published. `joined` holds copies that came while it was in flight.
    """

    marks: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    topic: str | None = None
    blocked: tuple[str, str] | None = None
    encoded = b""
    late = False
    takeovers = 0
    joined: "list[Event] | None" = None
    outcome: Outcome | None = None

    def __init__(
        self,
        data: JsonObject,
        raw: bytes | None,
        event_type: str,
        time_ms: int,
        key: str | None,
        claim_key: str | None,
        ttl_ms: int,
        checksum: int,
        submission: Submission,
        index: int,
        body: bytes = b"",
    ) -> None:
        self.data = data
        self.raw = raw
        self.type = event_type
        self.time_ms = time_ms
        self.key = key
        self.claim_key = claim_key
        self.ttl_ms = ttl_ms
        self.checksum = checksum
        self.submission = submission
        self.index = index
        self.body = body

    @property
    def size_bytes(self) -> int:
        """About how many bytes it came in as: the mean of its submission."""
        return self.submission.size_bytes // len(self.submission.outcomes)

    def change(self, data: JsonObject) -> None:
        """Have other contents than it came in with; these are kept in `raw`."""
        if self.raw is None and self.body:
            self.raw = self.body + b"}"
        self.data, self.body = data, b""

    def begin_again(self) -> None:
        """Be as it came in, with `raw` as its contents: what became of it so far does not count.

        Raises RuntimeError where these were not kept.
        """
        if self.raw is None:
            raise RuntimeError("an event cannot begin again whose contents were not kept")
        self.data = orjson.loads(self.raw)
        self.marks = self.routes = self.copies = ()
        self.topic = self.blocked = None
        self.encoded = b""

    def let_go(self) -> None:
        """Drop the contents of an event that is out and counted, and waits for nothing but its commit.

        Where its sender was answered before, nobody else has them, should the commit fail: they are kept.
        """
        if self.submission.taken:
            return
        self.data = _GONE
        self.raw = None
        self.body = self.encoded = b""


class Sample(NamedTuple):
    """An event that a filter matched and did not act on, so that somebody can look at it; nothing of its contents."""

    id: str | None
    type: str
    time_ms: int
    key: str | None


MAX_SAMPLES: Final = 10
"""How many samples are kept of a filter."""

_COUNTED: Final = ("evaluated", "matched", "unknown", "wrong_type", "errors", "held_back", "last_match_ms")


@dataclass(slots=True)
class FilterCounts:
    """What the filters of one plan have seen; each list has one entry per filter, in the order they run.

    `unknown` counts events for which the condition was neither true nor false, `wrong_type` those of them where a
    value had the wrong type (not merely missing), `errors` conditions or actions that raised: such an event goes on. `held_back` counts
    matches outside a filter's rollout; of those, and of the matches of filters in shadow, `samples` has the newest by filter.
    """

    evaluated: list[int]
    matched: list[int]
    unknown: list[int]
    wrong_type: list[int]
    errors: list[int]
    held_back: list[int]
    last_match_ms: list[int]
    samples: "dict[int, deque[Sample]]" = field(default_factory=dict, kw_only=True)

    @classmethod
    def zero(cls, filters: int) -> "FilterCounts":
        """Counts for a plan with this many filters."""
        return cls(*([0] * filters for _ in _COUNTED))

    def sample(self, index: int, event: Event) -> None:
        """Keep an event that a filter matched and did not act on; the newest few of each filter are kept."""
        submission = event.submission
        kept = self.samples.setdefault(index, deque(maxlen=MAX_SAMPLES))
        kept.append(Sample(submission.ids[event.index], event.type, event.time_ms, event.key))

    def copy(self) -> "FilterCounts":
        """The counts as they are now."""
        return FilterCounts(*(list(getattr(self, name)) for name in _COUNTED))

    def take_in(self, other: "FilterCounts", places: Iterable[tuple[int, int]], less: "FilterCounts | None" = None) -> None:
        """Count what `other` counted as well, or how far it has come since it was at `less`.

        `places` pairs the place of a filter there with its place here.
        """
        for there, here in places:
            for name in _COUNTED:
                theirs, ours = getattr(other, name), getattr(self, name)
                if name == "last_match_ms":
                    ours[here] = max(ours[here], theirs[there])
                else:
                    ours[here] += theirs[there] - (getattr(less, name)[there] if less is not None else 0)
            if there in other.samples and less is None:
                self.samples[here] = other.samples[there].copy()


class Record(NamedTuple):
    """A message for the egress. `value` is JSON without a line end; `event` says whose it is, None for a window."""

    topic: str
    key: str | None
    value: bytes
    event: Event | None = None


class Refusal(NamedTuple):
    """A record that the egress will never take, and why (too large, say)."""

    record: Record
    reason: str


class DeadLetter(NamedTuple):
    """What could not be carried on: the original bytes, why, at which stage, and under which rules."""

    raw: bytes
    reason: str
    code: str
    stage: str
    ruleset: str
    id: str | None
    time_ms: int


Values = Mapping[str, object]
