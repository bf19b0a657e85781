"""One run: load, faults at random moments, the end of the load, and what was seen.

In: a site, a seed and a number of faults. Out: a report. Rule of the file: it judges only when every client has its final answers and every
instance is whole again.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.acceptance.processes import TIMEOUT_S
from tests.faults.clients import Load
from tests.faults.instances import WORKERS, Site, Watch, status
from tests.faults.kinds import FAULTS
from tests.faults.laws import breaches, copies

_QUIET_S: Final = 90
"""How long the end may take: what died last is taken over after a lease, and workers that died often are replaced after up to 30 s."""


@dataclass(frozen=True)
class Report:
    """What was seen. `breaches` is empty where everything that was promised held."""

    breaches: list[str]
    done: Counter[str]
    sent: int
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
            f"events     {self.sent} sent, {self.records} records, {self.copies} of them copies, {self.takeovers} say takeover",
            f"answers    {_counts(self.codes)}; events {_counts(self.outcomes)}",
            f"status     asked {self.looks} times; reasons {_counts(self.reasons)}; not ready {_counts(self.unready)}",
            *(f"BREACH     {breach}" for breach in self.breaches),
        ]


def run(site: Site, seed: int, kinds: Sequence[str], number: int, seconds: float, name: str = "e") -> Report:
    """Do `number` faults, each of a kind drawn from `kinds`, spread over about `seconds`; their own time comes on top where it is longer.

    As many kinds as faults are done in their order. Runs over one site need names of their own.
    """
    chance = random.Random(seed)
    load, watch = Load(site.instances, seed, site.lease_s, name), Watch(site.instances)
    load.start()
    watch.start()
    done: Counter[str] = Counter()
    gap_s = seconds / number
    for turn in range(number):
        due_s = time.monotonic() + chance.uniform(0.5, 1.5) * gap_s
        kind = kinds[turn] if len(kinds) == number else chance.choice(kinds)
        FAULTS[kind].do(site, chance)
        done[kind] += 1
        time.sleep(max(0.0, due_s - time.monotonic()))
    waiting = load.finish(_QUIET_S)
    whole = _whole(site)
    watch.stop()
    records = site.records()
    found = [f"clients without final answers after {_QUIET_S} s: {waiting}"] if waiting else breaches(site, load, watch, records)
    found += whole + _unsaid(done, watch)
    return Report(
        found,
        done,
        sum(len(client.sent) for client in load.clients),
        len(records),
        copies(records).total(),
        sum(bool(record["processing"].get("takeover")) for record in records),
        sum((client.codes for client in load.clients), Counter()),
        sum((client.outcomes for client in load.clients), Counter()),
        watch.reasons,
        watch.unready,
        watch.looks,
    )


def _whole(site: Site) -> list[str]:
    """Wait until every instance is well and holds nothing; says what is not so in time."""
    give_up_s = time.monotonic() + _QUIET_S
    while True:
        shown = [status(instance) for instance in site.instances]
        if all(
            one["status"] == "ok" and not one["ledger"]["in_flight"] and one["workers"]["running"] == WORKERS for one in shown
        ):
            return _lost_writes(site)
        if time.monotonic() > give_up_s:
            return [f"not whole again after {_QUIET_S} s: {[(one['status'], one['reasons'], one['ledger']) for one in shown]}"]
        time.sleep(0.1)


def _lost_writes(site: Site) -> list[str]:
    """No store lost anything here, and none may be said to have."""
    shown = [httpx.get(f"{instance.url}/metrics/processor", timeout=TIMEOUT_S).json() for instance in site.instances]
    return [f"counted lost writes: {one['counters']['lost_writes']}" for one in shown if one["counters"]["lost_writes"]]


def _unsaid(done: Counter[str], watch: Watch) -> list[str]:
    wanted = {reason for kind in done if (reason := FAULTS[kind].reason) is not None}
    return [f"no status gave a reason that begins with `{reason}:`" for reason in sorted(wanted - set(watch.reasons))]


def _counts(counter: Counter[Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
