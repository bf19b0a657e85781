"""The inbox: submissions that wait for their turn, bounded by events and by bytes.

An event that came in an array is a decoded object, which takes about five times the room of its bytes: 1.8 kB more for one of 469. Rule of the file: where
many wait, they are bytes; where few do, nobody pays for encoding and decoding them anew.
"""

import asyncio
from collections import deque
from typing import Final

from engine.event import Submission

_LOOSE_PART: Final = 4
"""A quarter of what may wait does so as it came, for the sake of speed, or the newest submission alone; the rest is packed."""


class Inbox:
    """A queue that refuses what it cannot hold. Each submission is whole or not taken."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.events = 0
        self.size_bytes = 0
        self.changed = asyncio.Event()
        self.room = asyncio.Event()
        self._waiting: deque[Submission] = deque()
        self._loose: deque[Submission] = deque()
        self._loose_events = 0

    def offer(self, submission: Submission) -> bool:
        """Take a submission in; False where it does not fit: nothing was kept, try again later.

        An empty inbox takes any submission, however large.
        """
        self._make_room(len(submission.items))
        full = self.events + len(submission.items) > self.max_events
        full = full or self.size_bytes + submission.size_bytes > self.max_bytes
        if full and self._waiting:
            self.room.clear()
            return False
        self._waiting.append(submission)
        self._loose.append(submission)
        self._loose_events += len(submission.items)
        self.events += len(submission.items)
        self.size_bytes += submission.size_bytes
        self.changed.set()
        return True

    def take(self, max_events: int) -> list[Submission]:
        """The oldest submissions of one input, at least one and up to about `max_events` events, if there are any."""
        taken: list[Submission] = []
        events = 0
        while self._waiting:
            head = self._waiting[0]
            if taken and (head.input != taken[0].input or events + len(head.items) > max_events):
                break
            taken.append(self._waiting.popleft())
            if self._loose and self._loose[0] is head:
                self._loose.popleft()
                self._loose_events -= len(head.items)
            events += len(head.items)
            self.size_bytes -= head.size_bytes
        self.events -= events
        self.room.set()
        return taken

    def _make_room(self, events: int) -> None:
        """Pack what waits, where it would be too much as it is with so many more events."""
        if self._loose_events + events > self.max_events // _LOOSE_PART:
            for submission in self._loose:
                submission.pack()
            self._loose.clear()
            self._loose_events = 0
