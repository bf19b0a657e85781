"""A look at closed windows: what is committed of them, and how far they are published.

In: windows. Out: for each its result, and the claim that whoever publishes it has to win. Rule of the file: a window's claim is looked at
before its partials are, so that who wins the claim knows at least what its holder before knew; and a window that may still grow by
what a living owner has written is left alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from engine.pipeline.owner import Owner
from engine.pipeline.window_records import Result, claim_key
from engine.ports import Change, Claim, Group, Judgement, StoredPartial, Told
from engine.rules.model import Aggregation
from engine.rules.windows import panes_of

_NOBODY: Final = Claim("", 0, 0)


class Found(NamedTuple):
    """A window as it was looked at: its claim, then its partials, and what is known of the owners of both."""

    window: Group
    claim: Claim | None
    panes: Mapping[Group, Sequence[StoredPartial]]
    owners: Mapping[str, Judgement]

    @property
    def stored(self) -> list[StoredPartial]:
        """The partials of all panes."""
        return [row for rows in self.panes.values() for row in rows]

    @property
    def committed(self) -> dict[str, int]:
        """What the owners had committed."""
        return {name: judged.committed for name, judged in self.owners.items()}

    @property
    def grows(self) -> bool:
        """Whether an owner that lives has written more than it has committed, or publishes a revision just now."""
        numbers = [(row.owner, row.seq) for row in self.stored]
        if self.claim is not None:
            numbers.append((self.claim.owner, self.claim.seq))
        return any(seq > self.owners[name].committed and not self.owners[name].gone for name, seq in numbers)

    @property
    def told(self) -> Told:
        """What stands in the way of no more than what was looked at."""
        return Told(self.window, {pane: {row.owner: row.seq for row in rows} for pane, rows in self.panes.items()})

    def is_out(self, result: Result) -> bool:
        """Whether the last revision says the same, for good."""
        claim = self.claim
        return claim is not None and claim.seq <= self.owners[claim.owner].committed and claim.checksum == result.digest

    def next_claim(self, owner: str, seq: int, result: Result) -> Claim:
        """The claim on the revision that this result gets.

        Where a revision's holder has gone, it may be out: then it keeps its number for the same contents, and for others is passed over.
        """
        claim = self.claim
        if claim is None:
            return Claim(owner, seq, result.digest)
        again = claim.checksum == result.digest  # and its holder has gone, for it is not out
        return Claim(owner, seq, result.digest, takeovers=claim.takeovers + (0 if again else 1))


async def look_at(owner: Owner, rule: Aggregation, windows: Sequence[Group]) -> list[Found]:
    """Look at windows of one aggregation, each once. Raises OwnerGone."""
    store = owner.store
    claims = await owner.insist(partial(store.settle, [Change(claim_key(window), _NOBODY, None) for window in windows]))
    panes = [
        [window._replace(start_ms=at) for at in panes_of(window.start_ms, rule.size_ms, rule.every_ms)] for window in windows
    ]
    groups = list(dict.fromkeys(pane for of_window in panes for pane in of_window))
    rows = dict(zip(groups, await owner.insist(partial(store.partials_of, groups)), strict=True))
    numbers = {(row.owner, row.seq) for stored in rows.values() for row in stored}
    numbers |= {(claim.owner, claim.seq) for claim in claims if claim is not None}
    committed = await owner.insist(partial(store.committed, sorted({name for name, _ in numbers})))
    open_ended = sorted({name for name, seq in numbers if seq > committed[name] and name != owner.id})
    judged = await asyncio.gather(*(owner.insist(partial(store.judge, name)) for name in open_ended))
    owners = {name: Judgement(gone=False, committed=number) for name, number in committed.items()}
    owners |= dict(zip(open_ended, judged, strict=True))
    return [
        Found(window, claim, {pane: rows[pane] for pane in of_window}, owners)
        for window, claim, of_window in zip(windows, claims, panes, strict=True)
    ]
