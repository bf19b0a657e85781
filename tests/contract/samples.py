"""What the contract of a state store speaks of: the stores that are servers, times, and what is written."""

from engine.ports import Base, Group, Partial

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
SERVERS = ("redis", "redis cluster", "compact redis", "compact redis cluster")


def partial(
    seq: int,
    now: bytes,
    prev_seq: int = 0,
    prev: bytes = b"",
    *,
    group: Group,
    expires_ms: int = 2**50,
    base: tuple[int, bytes] | None = None,
) -> Partial:
    return Partial(group, seq, now, prev_seq, prev, expires_ms, None if base is None else Base(*base))
