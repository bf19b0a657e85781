"""One run: load, faults at random moments, the end of the load, and what was seen.

In: a site, a seed and a number of faults. Out: a report. Rule of the file: it judges only when every client has its final answers and every
instance is whole again.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import httpx

from tests.acceptance.processes import TIMEOUT_S
from tests.acceptance.samples import Event
from tests.faults.clients import CLIENTS, Load
from tests.faults.instances import LOSS, WORKERS, Site, Watch, status
from tests.faults.kinds import FAULTS
from tests.faults.laws import breaches, breaches_after_loss, copies

_QUIET_S: Final = 90
"""How long the end may take: what died last is taken over after a lease, and workers that died often are replaced after up to 30 s."""


@dataclass(frozen=True)
class Report:
    """What was seen. `breaches` is empty where everything that was promised held."""

    breaches: list[str]
    done: Counter[str]
    sent: int
    least_between: int
    records: int
    copies: int
    takeovers: int
    codes: Counter[int]
    outcomes: Counter[str]
    reasons: Counter[str]
    unready: Counter[int]
    looks: int

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"faults     {_counts(self.done)}",
            f"events     {self.sent} sent, at least {self.least_between} from one fault to the next, {self.records} records, {self.copies} of them copies, {self.takeovers} say takeover",
            f"answers    {_counts(self.codes)}; events {_counts(self.outcomes)}",
            f"status     asked {self.looks} times; reasons {_counts(self.reasons)}; not ready {_counts(self.unready)}",
            *(f"BREACH     {breach}" for breach in self.breaches),
        ]


def run(
    site: Site, seed: int, kinds: Sequence[str], number: int, seconds: float, name: str = "e", clients: int = CLIENTS
) -> Report:
    """Do `number` faults, each of a kind drawn from `kinds`, spread over about `seconds`; their own time comes on top where it is longer.

    As many kinds as faults are done in their order. Runs over one site need names of their own.
    """
    chance = random.Random(seed)
    load, watch = Load(site.instances, seed, site.lease_s, name, clients), Watch(site.instances)
    load.start()
    watch.start()
    done: Counter[str] = Counter()
    sent = [0]
    gap_s = seconds / number
    for turn in range(number):
        due_s = time.monotonic() + chance.uniform(0.5, 1.5) * gap_s
        kind = kinds[turn] if len(kinds) == number else chance.choice(kinds)
        FAULTS[kind].do(site, chance)
        done[kind] += 1
        time.sleep(max(0.0, due_s - time.monotonic()))
        sent.append(load.sent)
    waiting = load.finish(_QUIET_S)
    lossy = any(FAULTS[kind].loses for kind in done)
    whole = _whole(site, watch, lossy=lossy)
    watch.stop()
    records = site.records()
    if waiting:
        found = [f"clients without final answers after {_QUIET_S} s: {waiting}"]
    else:
        found = breaches_after_loss(load, watch, records) if lossy else breaches(site, load, watch, records)
    found += whole + _unsaid(done, watch)
    return Report(
        found,
        done,
        load.sent,
        min(after - before for before, after in pairwise(sent)),
        len(records),
        copies(records).total(),
        sum(bool(record["processing"].get("takeover")) for record in records),
        sum((client.codes for client in load.clients), Counter()),
        sum((client.outcomes for client in load.clients), Counter()),
        watch.reasons,
        watch.unready,
        watch.looks,
    )


def _whole(site: Site, watch: Watch, *, lossy: bool) -> list[str]:
    """Wait until every instance is well and holds nothing; says what is not so in time. A loss of the store is said until a restart."""
    give_up_s = time.monotonic() + _QUIET_S
    while True:
        shown = [status(instance) for instance in site.instances]
        if all(_is_whole(one, lossy=lossy) for one in shown):
            return _lost_writes(site, watch, expected=lossy)
        if time.monotonic() > give_up_s:
            return [f"not whole again after {_QUIET_S} s: {[(one['status'], one['reasons'], one['ledger']) for one in shown]}"]
        time.sleep(0.1)


def _is_whole(shown: Event, *, lossy: bool) -> bool:
    well = shown["status"] == "ok" or (lossy and shown["reasons"] == [LOSS])
    return well and not shown["ledger"]["in_flight"] and shown["workers"]["running"] == WORKERS


def _lost_writes(site: Site, watch: Watch, *, expected: bool) -> list[str]:
    """A store that lost what it had acknowledged is said to have, and no other. An instance that was started since knows nothing of it."""
    shown = [httpx.get(f"{instance.url}/metrics/processor", timeout=TIMEOUT_S).json() for instance in site.instances]
    counted = [one["counters"]["lost_writes"] for one in shown]
    if expected:
        return [] if watch.losses or any(counted) else ["the store has lost acknowledged writes, and nobody counted it"]
    return [f"counted lost writes: {number}" for number in counted if number]


def _unsaid(done: Counter[str], watch: Watch) -> list[str]:
    wanted = {reason for kind in done if (reason := FAULTS[kind].reason) is not None}
    return [f"no status gave a reason that begins with `{reason}:`" for reason in sorted(wanted - set(watch.reasons))]


def _counts(counter: Counter[Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
