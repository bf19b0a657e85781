"""Partials as a reader finds them."""

from engine.ports import NO_BASES, Partial, StoredPartial


def as_stored(owner: str, partial: Partial, there: StoredPartial | None = None) -> StoredPartial:
    """The partial once it is written where `there` was before."""
    bases = list(NO_BASES if there is None else there.bases)
    if partial.base is not None:
        bases[partial.base.place - 1] = partial.base.value
    first, second = bases
    return StoredPartial(partial.group, owner, partial.seq, partial.now, partial.prev_seq, partial.prev, (first, second))
