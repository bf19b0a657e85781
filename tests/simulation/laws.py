"""What must hold in every state of the world, and what must hold of every write."""

from collections import Counter

from engine.pipeline.aggregate import read_values
from engine.ports import StoredPartial
from tests.simulation.world import World


class LawBroken(AssertionError):
    """A promise of the delivery protocol does not hold; the message says which, and how it came to that."""


class Laws:
    """Checks a world after every step, and remembers what may never go back."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counts: Counter[str] = Counter()
        self._claims: dict[str, list[tuple[object, ...]]] = {}
        self._partials: dict[tuple[str, object, int], tuple[bytes, bytes]] = {}
        self._read: dict[tuple[tuple[StoredPartial, int], ...], int] = {}  # by what stood in the store: most steps change little
        self._ids = sorted({_identity(event) for client in world.clients for event in client.events})
        self._blocked = {_identity(event) for client in world.clients for event in client.events if b'"bad":true' in event}

    def check(self) -> None:
        """Raises LawBroken."""
        self._answers_are_true()
        self._aggregates_count_once()
        self._copies_on_the_topic_have_an_excuse()
        self._ledgers_balance()
        self._claims_never_come_back()
        self._partials_of_a_commit_never_change()

    def waits(self) -> bool:
        """Whether something has yet to come without which the run is not over."""
        return False

    def check_end(self) -> None:
        """What holds once every client has its answers and nothing is under way."""
        counts = self._merged()
        answered = self._in_the_end() if self._world.ack_received else self._answered()
        lossy = self._world.lossy
        for identity in self._ids:
            if answered.get(identity) == "accepted" and identity not in self._world.publishers and not lossy:
                self._broken(1, f"event {identity} was answered as received and is not on the topic")
            counting = ("accepted", "duplicate", "blocked") if self._world.counting_blocked else ("accepted", "duplicate")
            expected = 1 if answered.get(identity) in counting else 0
            if counts[identity] != expected and not (lossy and counts[identity] < expected):
                self._broken(2, f"event {identity} ended as {answered.get(identity)} and is counted {counts[identity]} times")

    def _answered(self) -> dict[str, str]:
        best: dict[str, str] = {}
        for client in self._world.clients:
            for event, answer in zip(client.events, client.answers, strict=True):
                if answer is not None and answer.status != "retry" and best.get(_identity(event)) != "accepted":
                    best[_identity(event)] = answer.status
        return best

    def _in_the_end(self) -> dict[str, str]:
        """What becomes of events that were answered before it was known."""
        never_out = dict.fromkeys(self._blocked, "blocked") | dict.fromkeys(self._world.faults.refused, "rejected")
        return {identity: never_out.get(identity, status) for identity, status in self._answered().items()}

    def _answers_are_true(self) -> None:
        if self._world.ack_received:
            if any(
                answer is not None and answer.status != "accepted" for client in self._world.clients for answer in client.answers
            ):
                self._broken(1, "an event that was received was told something else")
            return
        for client in self._world.clients:
            for event, answer in zip(client.events, client.answers, strict=True):
                identity = _identity(event)
                if answer is None or answer.status not in ("accepted", "duplicate"):
                    continue
                if identity not in self._world.publishers:
                    law = 11 if identity in self._blocked else 1
                    self._broken(law, f"event {identity} was answered {answer.status} and is not on the topic")

    def _aggregates_count_once(self) -> None:
        counts = self._merged()
        for identity, number in counts.items():
            if number > 1:
                self._broken(2, f"event {identity} is counted {number} times")
        for identity, number in self._counts.items():
            if counts[identity] < number:
                self._broken(2, f"the count of event {identity} went back from {number} to {counts[identity]}")
        if sum(counts.values()) != self._total():
            self._broken(2, f"groups disagree: {dict(counts)} by event, {self._total()} in all")
        if not self._world.passing and not self._world.ack_received:
            for identity, status in self._answered().items():
                if status in ("accepted", "duplicate") and counts[identity] != 1:
                    self._broken(2, f"event {identity} was answered {status} and is counted {counts[identity]} times")
        self._counts = counts

    def _copies_on_the_topic_have_an_excuse(self) -> None:
        if self._world.published_twice and not self._world.passing:
            self._broken(3, self._world.published_twice[0])

    def _ledgers_balance(self) -> None:
        for process in self._world.processes.values():
            ledger, held = process.processor.stages.answers.ledger, process.processor.in_flight()
            if ledger.balance() != held:
                self._broken(5, f"{process.name}: the ledger says {ledger.balance()} in flight, it holds {held}")

    def _claims_never_come_back(self) -> None:
        rows = self._world.store.claim_rows()
        for key, row in rows.items():
            values = self._claims.setdefault(key, [])
            if not values or values[-1] != row:
                if row in values:
                    self._broken(6, f"claim {key} took the value {row} again")
                values.append(row)
        for key in self._claims:
            if key not in rows:
                self._broken(6, f"claim {key} was deleted")

    def _partials_of_a_commit_never_change(self) -> None:
        plans = {plan.state_id: plan for plan in self._world.plan.aggregations.values()}
        for group, owner, seq, now, prev_seq, prev, bases in self._world.store.partial_rows():
            plan = plans[group.aggregation]
            for number, value in ((seq, now), (prev_seq, prev)):
                base_at = plan.base_of(value)
                whole = (value, bases[base_at - 1] if base_at else b"")
                if self._partials.setdefault((owner, group, number), whole) != whole:
                    self._broken(8, f"what owner {owner} wrote of group {group} at seq {number} has changed")

    def _merged(self) -> Counter[str]:
        return Counter({key.removeprefix("id:"): number for key, number in self._values("per_event").items()})

    def _total(self) -> int:
        return sum(self._values("all").values())

    def _values(self, aggregation: str) -> Counter[str]:
        """The count of each group by key, read in one instant."""
        rule = self._world.plan.aggregations[aggregation]
        found: Counter[str] = Counter()
        by_key: dict[str, list[StoredPartial]] = {}
        for partial in self._world.store.partial_rows():
            if partial.group.aggregation == rule.state_id:
                by_key.setdefault(partial.group.key, []).append(partial)
        for key, rows in by_key.items():
            state = tuple((partial, self._world.store.committed_of(partial.owner)) for partial in rows)
            if state not in self._read:
                windows = read_values(rule, rows, {partial.owner: number for partial, number in state})
                for window in windows:
                    if window.values.get("texts", window.values["n"]) != window.values["n"]:
                        self._broken(8, f"the base and the tail of group {key} do not belong together: {window.values}")
                self._read[state] = sum(int(str(window.values["n"])) for window in windows)
            found[key] = self._read[state]
        return found

    def _broken(self, law: int, what: str) -> None:
        raise LawBroken(f"law {law}: {what}\n  " + "\n  ".join(self._world.trace[-80:]))


def _identity(event: bytes) -> str:
    return event.partition(b'"id":"')[2].partition(b'"')[0].decode()
