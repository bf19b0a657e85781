"""The first stage: which events are new, and which are copies of others.

In: a numbered batch. Out: the same batch with the new events alone; the others have ended, or hang on the event they
are copies of. Rule of the file: a claim is set where there is none or by compare-and-set, never deleted; a verdict
`duplicate` is given only for an event that is on the egress.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from engine.event import ACCEPTED, BLOCKED, DUPLICATE, OUTCOME_DUPLICATE, REJECTED, RETRY, Event, Outcome
from engine.metrics import Counters
from engine.pipeline.answers import Answers
from engine.pipeline.batch import Batch
from engine.pipeline.owner import Owner
from engine.pipeline.recent import RecentKeys
from engine.ports import COUNTED_BLOCKED, FREE, HELD, Change, Claim, Judgement
from engine.rules.model import Deduplication

_ROUNDS = 8
_KNOWN_OWNERS = 10_000
_RETRY_HELD = Outcome(RETRY, "in_flight_elsewhere", "another worker holds this event; send it again")
_RETRY_RACE = Outcome(RETRY, "claim_race", "another worker was faster; send it again")
_RETRY_COPIES = Outcome(RETRY, "too_many_copies", "too many copies wait for events in flight already; send it again later")
_CONFLICT = "an event with the same key and other content was accepted before; give this one a key of its own"
_BLOCKED_BEFORE = Outcome(BLOCKED, "blocked", "a copy of this event was blocked before")


class Deduplicator:
    """Gives every event of a batch its verdict. Long-lived: `recent` and what is known of owners outlast an owner.

    `claims_last_ms` is the longest that a claim made here may last.
    """

    def __init__(self, answers: Answers, counters: Counters, recent: RecentKeys, rules: Mapping[str, Deduplication]) -> None:
        self._answers = answers
        self._counters = counters
        self._recent = recent
        self._rejects_conflicts: frozenset[str] = frozenset()
        self._committed: dict[str, int] = {}
        self.claims_last_ms = 0
        self.follow(rules)

    def follow(self, rules: Mapping[str, Deduplication]) -> None:
        """Give verdicts on conflicts by these rules, by event type, from now on. Claims made before keep their time."""
        self._rejects_conflicts = frozenset(rule.event_type for rule in rules.values() if rule.on_conflict == "reject")
        self.claims_last_ms = max([self.claims_last_ms, *(rule.ttl_ms for rule in rules.values())])

    def join(self, events: Sequence[Event], now_ms: int) -> list[Event]:
        """Hang copies of events in flight here on them, end copies of recently committed ones; returns the others.

        Those are now in flight themselves. `now_ms` is monotonic.
        """
        self._recent.turn(now_ms)
        in_flight = self._answers.in_flight
        others = []
        for event in events:
            key = event.claim_key
            if key is None:
                others.append(event)
            elif (first := in_flight.get(key)) is not None:
                self._join(first, event)
            elif (checksum := self._recent.checksum(key)) is not None:
                self._answers.end(event, self._duplicate(event, checksum))
            else:
                in_flight[key] = event
                others.append(event)
        return others

    async def claim(self, owner: Owner, batch: Batch) -> list[Event]:
        """Claim the batch's events and end those that are no news.

        Returns those that another owner holds and that were answered already, to be tried again.

        Raises OwnerGone where the lease goes first: then nothing is known of the claims.
        """
        claimed = [event for event in batch.events if event.claim_key is not None]
        keys = [event.claim_key for event in claimed if event.claim_key is not None]
        checksums = [event.checksum for event in claimed]
        ttls_ms = [event.ttl_ms for event in claimed]
        found = await owner.insist(lambda: owner.store.claim(owner.id, batch.seq, keys, checksums, ttls_ms))
        contested = [(event, claim) for event, claim in zip(claimed, found, strict=True) if claim is not None]
        if not contested:
            return []
        verdicts: dict[int, Outcome] = {}
        for _ in range(_ROUNDS):
            contested = await self._settle(owner, batch, contested, verdicts)
            if not contested:
                break
        verdicts |= {id(event): _RETRY_RACE for event, _ in contested}
        return self._deliver(batch, verdicts)

    async def free(self, owner: Owner, batch: Batch, *, mark_blocked: bool) -> None:
        """Free the claims of the events that will not be published, and end those events.

        With `mark_blocked`, blocked events are marked instead and counted by the batch's commit.
        """
        changes = []
        for event, outcome in batch.freeing:
            if event.claim_key is not None:
                held = Claim(owner.id, batch.seq, event.checksum, HELD, event.takeovers)
                mark = COUNTED_BLOCKED if mark_blocked and outcome.status == BLOCKED else FREE
                changes.append(Change(event.claim_key, held, held._replace(mark=mark)))
        if changes:
            await owner.insist(lambda: owner.store.settle(changes))
        for event, outcome in batch.freeing:
            if mark_blocked and outcome.status == BLOCKED:
                batch.counted.append((event, outcome))
            else:
                self._answers.end(event, outcome)
        batch.freeing.clear()

    async def refresh(self, owner: Owner, now_ms: int) -> bool:
        """Set the claims of each batch again once the first of them has stood for a third of its time; False where one is no longer ours."""
        due = [batch for batch in owner.batches.values() if now_ms - batch.started_ms > _shortest_ttl_ms(batch) // 3]
        changes = []
        for batch in due:
            for event in [event for event in batch.held() if event.claim_key is not None]:
                held = Claim(owner.id, batch.seq, event.checksum, HELD, event.takeovers)
                changes.append(Change(str(event.claim_key), held, held, event.ttl_ms))
        if not changes:
            return True
        found = await owner.insist(lambda: owner.store.settle(changes))
        for batch in due:
            batch.started_ms = now_ms
        return all(claim is not None and claim.owner == owner.id for claim in found)

    def _join(self, first: Event, copy: Event) -> None:
        self._counters.joined_copies += 1
        if copy.checksum != first.checksum:
            self._counters.conflicts += 1
            if copy.type in self._rejects_conflicts:
                self._answers.tell(copy, _conflict(REJECTED))
                return
        if first.outcome is not None:
            self._answers.tell(copy, OUTCOME_DUPLICATE if first.outcome.status == ACCEPTED else first.outcome)
        elif self._answers.copies < self._answers.max_copies:
            self._answers.join(first, copy)
        else:
            # Whoever was answered already will not send again, and need not: the first is being taken care of.
            self._answers.tell(copy, OUTCOME_DUPLICATE if copy.submission.taken else _RETRY_COPIES)

    def _duplicate(self, event: Event, checksum: int) -> Outcome:
        if event.checksum == checksum:
            return OUTCOME_DUPLICATE
        self._counters.conflicts += 1
        return _conflict(REJECTED if event.type in self._rejects_conflicts else DUPLICATE)

    async def _settle(
        self, owner: Owner, batch: Batch, contested: list[tuple[Event, Claim]], verdicts: dict[int, Outcome]
    ) -> list[tuple[Event, Claim]]:
        """One round: judge the holders, then change or read again; returns what has to start over."""
        judged = await self._judge(owner, contested)
        changes: list[tuple[Event, Change]] = []
        for event, claim in contested:
            mine = Claim(owner.id, batch.seq, event.checksum)
            if claim.mark == FREE:
                again = mine._replace(takeovers=claim.takeovers)
                changes.append((event, Change(str(event.claim_key), claim, again, event.ttl_ms)))
            elif claim.owner not in judged:
                verdicts[id(event)] = self._copy_of(event, claim, owner)
            elif judged[claim.owner].committed >= claim.seq:
                changes.append((event, Change(str(event.claim_key), claim, None)))
            elif judged[claim.owner].gone:
                taken = mine._replace(takeovers=claim.takeovers + 1)
                changes.append((event, Change(str(event.claim_key), claim, taken, event.ttl_ms)))
            else:
                verdicts[id(event)] = _RETRY_HELD
        if not changes:
            return []
        found = await owner.insist(lambda: owner.store.settle([change for _, change in changes]))
        return self._after_change(changes, found, verdicts)

    async def _judge(self, owner: Owner, contested: list[tuple[Event, Claim]]) -> dict[str, Judgement]:
        """Ask for the owners whose committed number, read before the claim was, does not cover it."""
        unknown = {
            claim.owner
            for _, claim in contested
            if claim.mark != FREE and claim.owner != owner.id and claim.seq > self._committed.get(claim.owner, 0)
        }
        names = sorted(unknown)
        answers = await asyncio.gather(*(owner.insist(partial(owner.store.judge, name)) for name in names))
        judged = dict(zip(names, answers, strict=True))
        if len(self._committed) > _KNOWN_OWNERS:
            self._committed.clear()
        for name, judgement in judged.items():
            if judgement.committed < self._committed.get(name, 0):
                self._counters.lost_writes += 1
            self._committed[name] = max(judgement.committed, self._committed.get(name, 0))
        return judged

    def _copy_of(self, event: Event, claim: Claim, owner: Owner) -> Outcome:
        """The verdict on a claim that a committed number covers, or that is our own from an earlier batch."""
        if claim.owner == owner.id and claim.seq > owner.committed:
            return _RETRY_HELD
        if claim.mark == COUNTED_BLOCKED:
            return _BLOCKED_BEFORE
        return self._duplicate(event, claim.checksum)

    def _after_change(
        self, changes: list[tuple[Event, Change]], found: Sequence[Claim | None], verdicts: dict[int, Outcome]
    ) -> list[tuple[Event, Claim]]:
        over = []
        for (event, change), claim in zip(changes, found, strict=True):
            if change.new is None and claim == change.expected:
                blocked = change.expected.mark == COUNTED_BLOCKED
                verdicts[id(event)] = _BLOCKED_BEFORE if blocked else self._duplicate(event, change.expected.checksum)
            elif change.new is not None and claim == change.new:
                event.takeovers = change.new.takeovers
                if change.expected.mark != FREE:
                    self._note_takeover(event, change.expected)
            elif claim is None or (change.new is not None and change.expected.mark != FREE):
                verdicts[id(event)] = _RETRY_RACE
            else:
                over.append((event, claim))
        return over

    def _note_takeover(self, event: Event, lost: Claim) -> None:
        self._counters.takeovers += 1
        if lost.checksum != event.checksum:
            self._counters.conflicts += 1

    def _deliver(self, batch: Batch, verdicts: dict[int, Outcome]) -> list[Event]:
        """End the events with a verdict; one that was answered before is not told to be sent again, but tried again."""
        held_elsewhere = []
        for event in batch.events:
            outcome = verdicts.get(id(event))
            if outcome is None:
                continue
            if outcome.status == RETRY and (event.outcome is not None or event.submission.taken):
                held_elsewhere.append(event)
                continue
            if event.outcome is not None:
                self._counters.degraded_duplicates += 1
            self._answers.end(event, outcome)
        batch.events = [event for event in batch.events if id(event) not in verdicts]
        return held_elsewhere


def _conflict(status: str) -> Outcome:
    return Outcome(status, "conflict", _CONFLICT, stage="claim" if status == REJECTED else "")


def _shortest_ttl_ms(batch: Batch) -> int:
    return min([event.ttl_ms for event in batch.held() if event.claim_key is not None], default=0)
