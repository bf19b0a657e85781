"""What is counted. Rule of the file: plain integers, added to once per batch or per event's end, read by anybody."""

from dataclasses import dataclass, field

from engine.event import ACCEPTED, BLOCKED, DUPLICATE, REJECTED, RETRY


@dataclass(slots=True)
class Ledger:
    """received = accepted + duplicate + blocked + rejected + retry + in flight, at every moment.

    `in_flight` is not kept here: the processor counts what it holds, so that the two sides can be compared.
    """

    received: int = 0
    ended: dict[str, int] = field(default_factory=lambda: dict.fromkeys((ACCEPTED, DUPLICATE, BLOCKED, REJECTED, RETRY), 0))

    def balance(self) -> int:
        """Events received that have not ended, by the ledger's own account."""
        return self.received - sum(self.ended.values())


@dataclass(slots=True)
class Counters:
    """Everything else that the processor counts. Each name says what one unit is."""

    batches: int = 0
    published_records: int = 0
    published_by_route: dict[str, int] = field(default_factory=dict)
    late_events: int = 0
    late_dropped: int = 0
    conflicts: int = 0
    joined_copies: int = 0
    takeovers: int = 0
    poison_events: int = 0
    refused_records: int = 0
    dead_letters: int = 0
    degraded_events: int = 0
    degraded_duplicates: int = 0
    commits: int = 0
    owners_retired: int = 0
    lost_writes: int = 0
    derive_errors: int = 0
    encode_errors: int = 0
    events_enriched: int = 0
