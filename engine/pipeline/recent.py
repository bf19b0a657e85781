"""Keys of events committed a short while ago, so that most retries are recognised without asking the store."""

from collections.abc import Sequence

from engine.event import Event


class RecentKeys:
    """The checksums of the last `size` to `2 * size` committed events by claim key, forgotten in two generations.

    With size 0 nothing is kept. Holds only events that are on the egress. No entry outlives `good_for_ms`, the shortest time that a claim lasts.
    """

    def __init__(self, size: int, good_for_ms: int) -> None:
        self._size = size
        self._good_for_ms = good_for_ms
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._turned_ms = 0
        self._older_end_ms = 0

    def __len__(self) -> int:
        """How many keys are remembered, those that are in both generations twice."""
        return len(self._newer) + len(self._older)

    def turn(self, now_ms: int) -> None:
        """Forget what is too old, or too much. Call it before a batch's look-ups; `now_ms` is monotonic."""
        if len(self._newer) >= self._size or now_ms - self._turned_ms >= self._good_for_ms // 2:
            self._older, self._older_end_ms = self._newer, self._turned_ms + self._good_for_ms
            self._newer, self._turned_ms = {}, now_ms
        if now_ms >= self._older_end_ms:
            self._older = {}

    def checksum(self, key: str) -> int | None:
        """The checksum of the committed event with this key; None where it is not remembered."""
        found = self._newer.get(key)
        return self._older.get(key) if found is None else found

    def add(self, events: Sequence[Event]) -> None:
        """Remember these events' keys."""
        if not self._size:
            return
        newer = self._newer
        for event in events:
            if event.claim_key is not None:
                newer[event.claim_key] = event.checksum
