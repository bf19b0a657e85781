"""What must hold after any faults: the promises of `docs/delivery.md`, looked at from outside.

In: what the clients were told, what the topic holds, what the instances show. Out: every breach, in words; none is a run that held.
"""

from collections import Counter
from typing import Any, Final

import httpx

from tests.acceptance.processes import TIMEOUT_S
from tests.acceptance.samples import Event, epoch_ms
from tests.acceptance.senders import recount
from tests.faults.clients import Load
from tests.faults.instances import Site, Watch

CODES: Final = {200, 202, 207, 429, 503}
_SHOWN: Final = 5

Groups = dict[tuple[str, int], dict[str, Any]]


def breaches(site: Site, load: Load, watch: Watch, records: list[Event]) -> list[str]:
    """Every promise that was not kept."""
    return [*_told(load), *published(load, records), *_counted(site, records), *_said(watch)]


def copies(records: list[Event]) -> Counter[str]:
    """How often more than once each id is on the topic."""
    return Counter(record["id"] for record in records) - Counter({record["id"]: 1 for record in records})


def _told(load: Load) -> list[str]:
    codes = sum((client.codes for client in load.clients), Counter[int]())
    wrong = [line for client in load.clients for line in client.wrong]
    return _some("answers that must not be", wrong) + _some("status codes that must not be", sorted(set(codes) - CODES))


def published(load: Load, records: list[Event]) -> list[str]:
    """What is wrong with the records of this load: lost, made up, or twice for no reason. Other records do not count."""
    records = [record for record in records if record["id"].startswith(f"{load.name}-")]
    sent = {event["id"] for client in load.clients for event in client.sent}
    settled = {identity for client in load.clients for identity in client.settled}
    doubtful = {identity for client in load.clients for identity in client.doubtful}
    out = {record["id"] for record in records}
    firsts = Counter(record["id"] for record in records if not record["processing"].get("takeover"))
    return [
        *_some("settled, and not on the topic", sorted(settled - out)),
        *_some("on the topic, and never sent", sorted(out - sent)),
        *_some("twice, though every request was answered", sorted(set(copies(records)) - doubtful)),
        *_some("twice, and none of them a takeover", sorted(identity for identity, number in firsts.items() if number > 1)),
    ]


def _counted(site: Site, records: list[Event]) -> list[str]:
    """Every instance shows what a recount of the topic comes to, with each id once."""
    expected = recount(list({record["id"]: record for record in records}.values()))
    found = []
    for number, instance in enumerate(site.instances):
        shown: Groups = {}
        for key in sorted({key for key, _ in expected}):
            asked = {"aggregator": "by_user", "key": key}
            windows = httpx.get(f"{instance.url}/processor/aggregation", params=asked, timeout=TIMEOUT_S).json()["windows"]
            shown |= {(key, epoch_ms(window["start"])): window["values"] for window in windows}
        wrong = [
            f"{group}: shown {shown.get(group)}, recounted {expected.get(group)}"
            for group in sorted({*shown, *expected})
            if shown.get(group) != expected.get(group)
        ]
        found += _some(f"aggregates of instance {number} that are not exact", wrong)
    return found


def _said(watch: Watch) -> list[str]:
    return _some("ledgers that do not balance", [str(ledger) for ledger in watch.unbalanced])


def _some(what: str, found: list[Any]) -> list[str]:
    return [f"{len(found)} {what}: {found[:_SHOWN]}"] if found else []
