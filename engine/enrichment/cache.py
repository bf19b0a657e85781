"""Answers of a source, kept in this process for as long as they may be used.

In: answers, with the time. Out: those that are good, at hand in a dict. Rule of the file: whoever looks into `at_hand` does nothing for
the cache: not one instruction per look. So what is at hand needs nothing done; what needs something is set aside, where only `find`
sees it:

- what is due: it is still good and ought to be asked for again, or it is over and may stand in while the source fails;
- what was not asked for in longest, where the cache is full: it is put back at hand if somebody asks, and goes if not.
"""

import heapq
from collections import OrderedDict
from itertools import count
from typing import Final, NamedTuple

from engine.ports import Context
from engine.rules.model import Cache

_ASIDE_SHARE: Final = 8
_SPARE_MOMENTS: Final = 1_000


class Entry(NamedTuple):
    """An answer, and until when it is what, by the monotonic clock.

    From `due_ms` on it should be asked for again, up to `fresh_until_ms` it is good, up to `usable_until_ms` better than nothing.
    """

    context: Context
    due_ms: int
    fresh_until_ms: int
    usable_until_ms: int


class LocalCache:
    """At most `local_max_entries` answers; where there are more, one goes that was not asked for in long. No TTL, no answers."""

    def __init__(self, rule: Cache) -> None:
        self._rule = rule
        self._entries: dict[str, Entry] = {}
        self.at_hand: OrderedDict[str, Context] = OrderedDict()
        self._aside: OrderedDict[str, None] = OrderedDict()
        self._moments: list[tuple[int, int, str, Entry]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._entries)

    def sweep(self, now_ms: int) -> None:
        """Set aside what is due, and forget what can no longer be used."""
        while self._moments and self._moments[0][0] <= now_ms:
            key, entry = heapq.heappop(self._moments)[2:]
            if self._entries.get(key) is not entry:
                continue
            if now_ms >= entry.usable_until_ms:
                self.forget(key)
            else:
                self._set_aside(key)
                self._note(entry.usable_until_ms, key, entry)

    def find(self, key: str, now_ms: int) -> Entry | None:
        """The answer, while it can be used; it counts as asked for."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_ms >= entry.usable_until_ms:
            self.forget(key)
            return None
        if key in self._aside:
            if now_ms < entry.due_ms:
                self._put_at_hand(key, entry)
            else:
                self._aside.move_to_end(key)
        return entry

    def keep(self, key: str, context: Context, now_ms: int, left_ms: int | None = None) -> None:
        """Keep what was found. `left_ms` is how long it is good where it was found a while ago."""
        ttl_ms = _shorter(self._rule.local_ttl_ms or 0, left_ms)
        due_ms = now_ms + int(ttl_ms * (self._rule.refresh_ahead or 1))
        self._put(key, Entry(context, due_ms, now_ms + ttl_ms, now_ms + ttl_ms + (self._rule.stale_if_error_ms or 0)))

    def keep_nothing(self, key: str, context: Context, now_ms: int, left_ms: int | None = None) -> None:
        """Keep that there is nothing, where that is kept; what was known before is no longer true. `left_ms` as above."""
        if self._rule.negative_ttl_ms is None:
            self.forget(key)
            return
        until_ms = now_ms + _shorter(self._rule.negative_ttl_ms, left_ms)
        self._put(key, Entry(context, until_ms, until_ms, until_ms))

    def postpone(self, key: str, now_ms: int) -> None:
        """Have an entry that is due at hand again until half of its time left is over: somebody is asking for it anew."""
        entry = self._entries[key]
        later = entry._replace(due_ms=now_ms + (entry.fresh_until_ms - now_ms + 1) // 2)
        self._entries[key] = later
        self._put_at_hand(key, later)
        self._note(later.due_ms, key, later)

    def forget(self, key: str) -> None:
        """Keep the key no longer, if it was kept."""
        if self._entries.pop(key, None) is not None:
            self.at_hand.pop(key, None)
            self._aside.pop(key, None)

    def _put(self, key: str, entry: Entry) -> None:
        if self._rule.local_ttl_ms is None:
            return
        self._entries[key] = entry
        self._put_at_hand(key, entry)
        self._note(entry.due_ms, key, entry)
        self._make_room()

    def _put_at_hand(self, key: str, entry: Entry) -> None:
        self._aside.pop(key, None)
        self.at_hand[key] = entry.context
        self.at_hand.move_to_end(key)

    def _set_aside(self, key: str) -> None:
        if self.at_hand.pop(key, None) is not None:
            self._aside[key] = None

    def _make_room(self) -> None:
        """Forget the entry that was set aside first; while few are set aside, those longest at hand are, two for one that goes.

        So a key that is in use comes back before its turn to go, and only where the cache is full do some looks take the long way.
        """
        most = self._rule.local_max_entries
        while len(self._entries) > most:
            self.forget(next(iter(self._aside or self.at_hand)))
        if len(self._entries) == most:
            for _ in range(2):
                if len(self._aside) < most // _ASIDE_SHARE and len(self.at_hand) > 1:
                    self._set_aside(next(iter(self.at_hand)))

    def _note(self, when_ms: int, key: str, entry: Entry) -> None:
        """Look at the entry again then. Moments of entries that were replaced are dropped when they outnumber the others."""
        heapq.heappush(self._moments, (when_ms, next(self._numbers), key, entry))
        if len(self._moments) > 2 * len(self._entries) + _SPARE_MOMENTS:
            self._moments = [(kept.due_ms, next(self._numbers), name, kept) for name, kept in self._entries.items()]
            heapq.heapify(self._moments)


def _shorter(ttl_ms: int, left_ms: int | None) -> int:
    return ttl_ms if left_ms is None else min(ttl_ms, left_ms)
