"""The seams: what the pipeline asks of stores, the egress, sources and the clock.

Rule of the file: protocols and the plain values that cross them. Each protocol has one contract suite in
`tests/contract`, run over every implementation.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from engine.errors import LookupFailed
from engine.event import DeadLetter, JsonObject, Record, Refusal
from engine.metrics import SourceCounts

HELD: Final = "held"
FREE: Final = "free"
COUNTED_BLOCKED: Final = "blocked"
COMMITTED: Final = "committed"

OTHER_CONTENT: Final = -1
"""The checksum of a claim of which no more is known than that it is not the one that was asked about."""


class Claim(NamedTuple):
    """The value of a claim: whose it is, since which batch, and of which content.

    `mark` is HELD, FREE (its event was blocked or refused: a copy is new) or COUNTED_BLOCKED (blocked, and counted
    by an aggregation: a copy is told `blocked`) or COMMITTED (its event is on the egress, and nothing else is known but
    the checksum: a store may keep it so, see `StateStore.compact`). `takeovers` counts the owners that died with it.
    """

    owner: str
    seq: int
    checksum: int
    mark: str = HELD
    takeovers: int = 0


class Change(NamedTuple):
    """A compare-and-set of one claim. `new` None only reads. `ttl_ms` None keeps the time it has left."""

    key: str
    expected: Claim
    new: Claim | None
    ttl_ms: int | None = None


class CommittedClaim(NamedTuple):
    """A claim that a committed number covers, and the time to live that it was made with."""

    key: str
    claim: Claim
    ttl_ms: int


class Judgement(NamedTuple):
    """What a store knows of an owner: gone for good or not, and its committed number."""

    gone: bool
    committed: int


class Group(NamedTuple):
    """One group and window of an aggregation. `aggregation` carries its fingerprint, `start_ms` is its pane's."""

    aggregation: str
    key: str
    start_ms: int


NO_BASES: Final = (b"", b"")


class Base(NamedTuple):
    """A large part of a partial that changes seldom. There may be two of them, at the places 1 and 2: that of the value, and that of the one before it."""

    place: int
    value: bytes


class Partial(NamedTuple):
    """One owner's accumulator of one group: the value at `seq`, and what was committed before it at `prev_seq`.

    Empty bytes mean an empty accumulator. `base` is one to write with it; what is at the other place stays.
    """

    group: Group
    seq: int
    now: bytes
    prev_seq: int
    prev: bytes
    expires_ms: int
    base: Base | None = None


class StoredPartial(NamedTuple):
    """A partial as a reader finds it, with what is at the two places of its bases."""

    group: Group
    owner: str
    seq: int
    now: bytes
    prev_seq: int
    prev: bytes
    bases: tuple[bytes, bytes] = NO_BASES


class Told(NamedTuple):
    """A window whose result is out, and what was looked at for it: its panes, each with the number of every owner's partial."""

    window: Group
    panes: Mapping[Group, Mapping[str, int]]


class Swept(NamedTuple):
    """What one call of `StateStore.sweep` did: how many rows it removed, and whether its round is through."""

    removed: int
    through: bool


class StateStore(Protocol):
    """Claims, owners and partials. Every request may be repeated as it was.

    All methods raise StoreUnavailable where the outcome is unknown. Single requests are atomic; nothing spans two.
    """

    @property
    def compacts(self) -> bool:
        """Whether `compact` does anything."""

    async def open(self, owner: str, lease_ms: int) -> bool:
        """Make the owner's record; False where that id was ever used by somebody else's request."""

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """Set `(owner, seq, checksum, HELD)` for each key without a claim; it lasts its `ttl_ms` by the store's clock.

        Returns, in order, what was there before: None means it is yours, set now or by an earlier try of this
        request. The columns are of one length, and no key stands in them twice.
        """

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """Change each claim that equals `expected` to `new`. Returns, in order, what is there now."""

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """Keep each claim that is as it is given here in a shorter form, where the store has one.

        Only for HELD claims that are known to be committed. From then on it is found as `Claim("", 0, checksum, COMMITTED)`, whoever looks for it,
        until its time is over and up to a quarter longer; it cannot be changed any more. `checksum` is that of whoever looks, or OTHER_CONTENT.
        """

    async def judge(self, owner: str) -> Judgement:
        """Say what became of an owner. One found past its deadline is ended in the same step."""

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """Renew the lease and commit up to `seq`, only upwards; the one commit point.

        Returns the committed number, or None where the owner is gone: then nothing was changed and nothing ever
        will be under this id. The record is kept at least until `expires_ms`.
        """

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """Write each partial, never over one of a higher seq."""

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """The owner's own partials of these groups, in order."""

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[StoredPartial]:
        """All owners' partials of one key whose panes start in [from_ms, to_ms), by start."""

    def scan(self, aggregation: str, from_ms: int, to_ms: int) -> AsyncIterator[list[StoredPartial]]:
        """All partials whose panes start in [from_ms, to_ms): one list per group, ordered by key and start."""

    async def partials_of(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """All owners' partials of each of these groups, in order; each group's in one look."""

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """Note windows whose result is to be published once they are closed; a note stays until `expires_ms` at least.

        Call it when their partials are written and not yet committed: `withdraw` relies on that.
        """

    async def announced(self, aggregation: str, through_ms: int, limit: int) -> list[Group]:
        """At most `limit` of the windows noted that start at `through_ms` or before, early ones first as far as that is cheap."""

    async def last_announced(self, aggregation: str) -> int | None:
        """The start of the latest window noted; None where there is none."""

    async def withdraw(self, told: Sequence[Told]) -> None:
        """Strike out the notes of these windows, but of none that has a partial newer than those that were looked at."""

    async def committed(self, owners: Sequence[str]) -> dict[str, int]:
        """The committed number of each owner; 0 where there is no record."""

    async def end(self, owner: str) -> None:
        """End the owner for good."""

    async def sweep(self, limit: int) -> Swept:
        """Look at up to `limit` more rows, and remove those that have expired; a group is one row, owners come last.

        A round leads past every row. Where it is through, whatever had expired when it began is gone, and the next call begins another.
        """

    async def close(self) -> None:
        """Let go of files and connections."""


class Egress(Protocol):
    """Where records go out."""

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """Hand the records over, in order, before this call returns; the awaitable waits for their delivery.

        It returns the records that are refused for good; all others are out. It raises EgressUnavailable where
        nothing more can be known: then records may or may not be out, and the caller retires its owner.
        """

    async def purge(self) -> None:
        """Forget what was handed over and is not out yet; whoever still waits for it is told EgressUnavailable."""

    async def close(self) -> None:
        """Deliver what was handed over and let go of files and connections."""


class DeadLetters(Protocol):
    """Where what could not be carried on is kept for people to look at and replay."""

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters; on return they are safe. Raises EgressUnavailable where they cannot be kept now."""


class LookupLimits(NamedTuple):
    """What one place bears: keys in one look-up, look-ups at the same time, and how long each may take."""

    max_keys: int = 1
    concurrency: int = 16
    timeout_ms: int = 1_000


class LookupSource(Protocol):
    """One place to ask for context by key."""

    @property
    def limits(self) -> LookupLimits:
        """What it may be asked at once, the same for as long as it lives; whoever asks keeps to it."""

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject | LookupFailed]:
        """The context of each key that is known; one that is left out is known not to be there.

        At most `limits.max_keys` keys, each once. A LookupFailed in place of a context says that this key's is there and cannot be
        read; it counts for that key alone. Raises LookupFailed where there is no answer; it is cancelled when its time is over.
        """

    async def close(self) -> None:
        """Let go of files and connections."""


class Context(NamedTuple):
    """What enrichment found for a key, and how: `fresh`, `stale`, `negative`, `default`, `timeout`, `breaker_open`.

    `negative` and `default`: it is known that nothing is there. `timeout` and `breaker_open`: nothing is known. The source's default
    is the value in all of them but `negative`, which says that it has none.
    """

    value: JsonObject | None
    status: str


class ContextSource(Protocol):
    """A source with everything around it (cache, breaker, budget), as the enrich stage sees it."""

    @property
    def at_hand(self) -> Mapping[str, Context]:
        """What is known without asking; a look costs no more than a dict's. Values are shared: never change one."""

    @property
    def counts(self) -> SourceCounts:
        """What became of its look-ups. Those that were answered from `at_hand` are counted by whoever looked."""

    @property
    def breaker(self) -> str:
        """`closed`, `open` or `half_open`; of several places, the one that is worst off."""

    @property
    def problem(self) -> str | None:
        """Which of its places fails or is left alone, and why; None where none is."""

    @property
    def entries(self) -> int:
        """How many answers it keeps."""

    @property
    def waiting(self) -> int:
        """How many keys are asked for, or wait for their turn."""

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Context]:
        """A context for each of these keys, whatever happens. Never raises, never takes longer than the budget.

        One key for each look-up: a key that stands twice is counted twice, and asked for once.
        """

    async def close(self) -> None:
        """Let go of files and connections."""


class RequestLimits(NamedTuple):
    """What one HTTP request may bring, as it is sent and unpacked; `max_bodies_bytes` is for all that are being read at once.

    `max_explained` is how many events it may bring that are to be explained.
    """

    max_body_bytes: int
    max_events: int
    max_bodies_bytes: int = 128 << 20
    max_explained: int = 20


class Clock(Protocol):
    """Time, so that tests own it."""

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds."""

    def monotonic_ms(self) -> int:
        """A clock that never goes back, from an arbitrary start."""

    def monotonic_ns(self) -> int:
        """As `monotonic_ms`, in nanoseconds, for measuring how long something took."""

    async def sleep(self, delay_ms: int) -> None:
        """Return after this long."""
