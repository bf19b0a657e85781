"""Events that go through the stages together."""

import asyncio
from collections.abc import Sequence

from engine.event import BLOCKED, OUTCOME_ACCEPTED, Event, Outcome
from engine.rules.plan import Plan


class Batch:
    """A numbered batch of one owner.

    `events` are those still on their way: a stage takes out those that it ends. `freeing` holds those that will not
    be published, with the outcome they get once their claims are seen free; `counted` those that the commit counts,
    with the outcome they get once it is known; `size` is how many it began with. `watermark_ms` is that of the batch's input before this batch.
    `plan` is what the batch keeps to; None, where parts are used alone, stands for the one in service.
    """

    __slots__ = (
        "before",
        "counted",
        "deferred",
        "events",
        "freeing",
        "handed_over",
        "plan",
        "seq",
        "size",
        "started_ms",
        "watermark_ms",
    )

    def __init__(
        self,
        seq: int,
        events: Sequence[Event],
        watermark_ms: int | None,
        started_ms: int,
        *,
        deferred: bool = False,
        plan: Plan | None = None,
    ) -> None:
        self.seq = seq
        self.events = list(events)
        self.size = len(self.events)
        self.watermark_ms = watermark_ms
        self.started_ms = started_ms
        self.deferred = deferred
        self.plan = plan
        self.freeing: list[tuple[Event, Outcome]] = []
        self.counted: list[tuple[Event, Outcome]] = []
        self.handed_over = asyncio.Event()
        self.before: asyncio.Event | None = None

    async def turn(self) -> None:
        """Return when the batch before this one was handed over: so events of one key keep their order."""
        if self.before is not None:
            await self.before.wait()
            self.before = None

    def set_blocked_aside(self) -> None:
        """Take out the events that a filter blocked; they end once their claims are seen free or marked."""
        if any(event.blocked is not None for event in self.events):
            for event in self.events:
                if event.blocked is not None:
                    code, reason = event.blocked
                    self.freeing.append((event, Outcome(BLOCKED, code, f"blocked by filter `{code}`: {reason}")))
            self.events = [event for event in self.events if event.blocked is None]

    def count_all(self) -> None:
        """Leave the events that are still here to the commit: they were published before."""
        self.counted.extend([(event, OUTCOME_ACCEPTED) for event in self.events])
        self.events = []

    def held(self) -> list[Event]:
        """Every event that this batch has claimed and not yet ended."""
        return [*self.events, *(event for event, _ in self.freeing), *(event for event, _ in self.counted)]
