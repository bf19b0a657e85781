"""The inbox: submissions that wait for their turn, bounded by events and by bytes."""

import asyncio
from collections import deque

from engine.event import Submission


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

    def offer(self, submission: Submission) -> bool:
        """Take a submission in; False where it does not fit: nothing was kept, try again later.

        An empty inbox takes any submission, however large.
        """
        full = self.events + len(submission.items) > self.max_events
        full = full or self.size_bytes + submission.size_bytes > self.max_bytes
        if full and self._waiting:
            self.room.clear()
            return False
        self._waiting.append(submission)
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
            events += len(head.items)
            self.size_bytes -= head.size_bytes
        self.events -= events
        self.room.set()
        return taken
