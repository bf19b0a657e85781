"""Closed windows become records: once for each state that a window is in when it is looked at.

    announced windows -> look -> claim the next revision -> publish -> commit -> strike out the note

In: windows that somebody announced and that are closed. Out: records on the topic of their aggregation's route. Rule of the file: a
revision is claimed, published and committed as an event is, by the same writes; its note is struck out after the commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from engine.event import DeadLetter, Refusal
from engine.metrics import Counters
from engine.pipeline.closing import Closing
from engine.pipeline.commit import Committer
from engine.pipeline.owner import Owner
from engine.pipeline.window_batch import WindowBatch
from engine.pipeline.window_look import Found, look_at
from engine.pipeline.window_records import Result, claim_key, result_of
from engine.ports import Change, Clock, DeadLetters, Egress, Group
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.first_error import FirstError

MOST_PANES: Final = 1_000
"""Panes of windows that are looked at together; a window is looked at as a whole."""

_LOOK_EVERY_MS: Final = 1_000
_OUTLIVES_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where windows' records go, and the letters of those that cannot. `ruleset` gives the id of the rules in service.

    `emitted` is called with the id of a state, and how many of its windows are out and how many could not be computed.
    """

    egress: Egress
    dead_letters: DeadLetters
    clock: Clock
    counters: Counters
    ruleset: Callable[[], str]
    emitted: Callable[[str, int, int], None]


class Emission:
    """Publishes closed windows under one owner. `on_through` is called each time when nothing is left to do."""

    def __init__(
        self, owner: Owner, committer: Committer, closing: Closing, outlet: Outlet, on_through: Callable[[], None]
    ) -> None:
        self._owner = owner
        self._committer = committer
        self._closing = closing
        self._outlet = outlet
        self._on_through = on_through
        self._report = FirstError("windows that are to be published")

    async def run(self) -> None:
        """Publish what is closed, for ever: at once where a window closed here, within a second where another worker left it, or the clock closed it."""
        closing = self._closing
        while True:
            closing.changed.clear()
            closing.pending, closing.looking = False, True
            for plan in closing.emitting():
                if closing.follows_others:
                    closing.follow(plan, await self._owner.insist(partial(self._owner.store.last_announced, plan.state_id)))
                through_ms = closing.closed_through_ms(plan)
                if through_ms is not None:
                    await self._publish_through(plan, through_ms)
            closing.looking = False
            self._on_through()
            await self._reason_to_look()

    async def _reason_to_look(self) -> None:
        """Return when something changed; where windows are published at all, after a while in any case."""
        changed = self._closing.changed
        if not self._closing.emitting():
            await changed.wait()
            return
        waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._outlet.clock.sleep(_LOOK_EVERY_MS))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _publish_through(self, plan: AggregationPlan, through_ms: int) -> None:
        """Publish the windows that start until then, each once: what grows meanwhile has its next revision the next time."""
        owner, seen = self._owner, set[Group]()
        most = max(1, MOST_PANES * plan.rule.every_ms // plan.rule.size_ms)
        while True:
            announced = await owner.insist(partial(owner.store.announced, plan.state_id, through_ms, most))
            windows = [window for window in announced if window not in seen]
            if not windows:
                return
            seen.update(windows)
            await self._publish(plan, [found for found in await look_at(owner, plan.rule, windows) if not found.grows])

    async def _publish(self, plan: AggregationPlan, found: Sequence[Found]) -> None:
        """Publish and commit what is new of these windows, then strike out the notes of all that are out."""
        through, new = [], []
        for one in found:
            result = self._result(plan, one)
            if result is None or one.is_out(result):
                through.append(one)
            else:
                new.append((one, result))
        if new:
            through += await self._carry(plan, new)
        if through:
            await self._owner.insist(partial(self._owner.store.withdraw, [one.told for one in through]))

    def _result(self, plan: AggregationPlan, found: Found) -> Result | None:
        """What the window comes to, None for nothing; a measure that raises costs this one window, and is counted."""
        try:
            return result_of(plan, found.window, found.stored, found.committed)
        except Exception as error:  # noqa: BLE001 - whatever a measure raises must cost one window, not the worker
            self._report(error)
            self._outlet.emitted(plan.state_id, 0, 1)
            return None

    async def _carry(self, plan: AggregationPlan, new: Sequence[tuple[Found, Result]]) -> list[Found]:
        """One batch of records, from claim to commit; returns those that no other worker was faster with."""
        owner, now_ms = self._owner, self._outlet.clock.now_ms()
        ttls_ms = [_claim_lasts_ms(plan, one.window, now_ms) for one, _ in new]
        started_ms = self._outlet.clock.monotonic_ms()
        batch = owner.number(lambda seq: WindowBatch(seq, started_ms, now_ms + max(ttls_ms)))
        try:
            won = await self._claim(batch, new, ttls_ms)
            await batch.turn()
            owner.check_lease()
            records = [
                result.record(str(plan.topic), one.next_claim(owner.id, batch.seq, result).takeovers + 1) for one, result in won
            ]
            delivery = self._outlet.egress.send(records)
        finally:
            batch.handed_over.set()
        refusals = await delivery
        if refusals:
            await self._bury(refusals)
        self._committer.ready(batch)
        await batch.committed.wait()
        self._outlet.emitted(plan.state_id, len(won) - len(refusals), 0)
        return [one for one, _ in won]

    async def _claim(
        self, batch: WindowBatch, new: Sequence[tuple[Found, Result]], ttls_ms: Sequence[int]
    ) -> list[tuple[Found, Result]]:
        """Claim the next revision of each window; returns those that it was got for."""
        owner, store = self._owner, self._owner.store
        places = range(len(new))
        first = [place for place in places if new[place][0].claim is None]
        keys = [claim_key(new[place][0].window) for place in first]
        digests, firsts_last_ms = [new[place][1].digest for place in first], [ttls_ms[place] for place in first]
        there = await owner.insist(lambda: store.claim(owner.id, batch.seq, keys, digests, firsts_last_ms)) if first else []
        won = {place for place, claim in zip(first, there, strict=True) if claim is None}
        later = [place for place in places if new[place][0].claim is not None]
        changes = [self._change(batch, *new[place], ttls_ms[place]) for place in later]
        settled = await owner.insist(lambda: store.settle(changes)) if later else []
        won |= {place for place, change, claim in zip(later, changes, settled, strict=True) if claim == change.new}
        return [new[place] for place in sorted(won)]

    def _change(self, batch: WindowBatch, found: Found, result: Result, ttl_ms: int) -> Change:
        expected = found.claim
        if expected is None:
            raise ValueError("a window without a claim has none to change")
        return Change(claim_key(found.window), expected, found.next_claim(self._owner.id, batch.seq, result), ttl_ms)

    async def _bury(self, refusals: Sequence[Refusal]) -> None:
        """A record that is refused for good becomes a dead letter, as an event's does."""
        outlet = self._outlet
        why = [(refusal.record, f"topic `{refusal.record.topic}`: {refusal.reason}") for refusal in refusals]
        await outlet.dead_letters.put(
            [
                DeadLetter(record.value, reason, "refused_window", "publish", outlet.ruleset(), record.key, outlet.clock.now_ms())
                for record, reason in why
            ]
        )
        outlet.counters.refused_records += len(refusals)
        outlet.counters.dead_letters += len(refusals)


def _claim_lasts_ms(plan: AggregationPlan, window: Group, now_ms: int) -> int:
    """For as long as the window's partials are kept, and longer: whoever finds these must find it."""
    rule = plan.rule
    ends_ms = window.start_ms + rule.size_ms + rule.allow_late_ms
    return max(ends_ms, now_ms) + rule.retain_ms + _OUTLIVES_MS - now_ms
