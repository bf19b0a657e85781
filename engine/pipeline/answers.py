"""How an event ends: its outcome to its sender and to the ledger, once.

Rule of the file: nothing else settles a submission or touches the ledger's outcomes.
"""

from collections.abc import Iterable

from engine.event import ACCEPTED, OUTCOME_DUPLICATE, Event, Outcome
from engine.metrics import Ledger


class Answers:
    """The events in flight in this process, by claim key, and the ledger of all that came in.

    `copies` is how many copies wait for the events in flight that they joined; no more than `max_copies` should.
    """

    def __init__(self, ledger: Ledger, max_copies: int = 10_000) -> None:
        self.ledger = ledger
        self.max_copies = max_copies
        self.copies = 0
        self.in_flight: dict[str, Event] = {}

    def join(self, first: Event, copy: Event) -> None:
        """Have a copy told what becomes of the first."""
        self.copies += 1
        if first.joined is None:
            first.joined = [copy]
        else:
            first.joined.append(copy)

    def end(self, event: Event, outcome: Outcome) -> None:
        """Tell the sender, and forget the event."""
        self.end_all([(event, outcome)])

    def end_all(self, ended: Iterable[tuple[Event, Outcome]]) -> None:
        """As `end` for each of them, in order; what most of them need stands here, and costs no call of its own."""
        in_flight, tallies = self.in_flight, self.ledger.ended
        for event, outcome in ended:
            key = event.claim_key
            if key is not None and in_flight.get(key) is event:
                del in_flight[key]
            if event.outcome is not None:
                continue
            if event.joined is not None:
                self.tell(event, outcome)
                continue
            event.outcome = outcome
            tallies[outcome.status] += 1
            event.submission.settle(event.index, outcome)

    def tell(self, event: Event, outcome: Outcome) -> None:
        """Tell the sender, and those of the copies that joined it. The event itself stays in flight."""
        event.outcome = outcome
        self.ledger.ended[outcome.status] += 1
        event.submission.settle(event.index, outcome)
        if event.joined is not None:
            copies, event.joined = event.joined, None
            self.copies -= len(copies)
            for copy in copies:
                self.tell(copy, OUTCOME_DUPLICATE if outcome.status == ACCEPTED else outcome)
