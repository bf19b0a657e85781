"""What must hold after any faults: the promises of `docs/delivery.md`, looked at from outside.

In: what the clients were told, what the topic holds, what the instances show. Out: every breach, in words; none is a run that held. Rule
of the file: where the store forgot what it had acknowledged, it is promised that nothing settled is missing on the topic, and that the loss is said.
"""

import time
from collections import Counter
from typing import Any, Final

import httpx

from tests.acceptance.processes import TIMEOUT_S
from tests.acceptance.samples import WINDOW_MS, Event, epoch_ms
from tests.acceptance.senders import recount
from tests.acceptance.windows import last_revisions
from tests.faults.clients import Load
from tests.faults.instances import Site, Watch

CODES: Final = {200, 202, 207, 429, 503}
_SHOWN: Final = 5
_WINDOWS_S: Final = 30
_LOOK_S: Final = 0.2

Groups = dict[tuple[str, int], dict[str, Any]]


def breaches(site: Site, load: Load, watch: Watch, records: list[Event]) -> list[str]:
    """Every promise that was not kept."""
    return [*_told(load), *published(load, records), *_counted(site, records), *_closed(site, records), *_said(watch)]


def breaches_after_loss(load: Load, watch: Watch, records: list[Event]) -> list[str]:
    """What was promised, and not kept, though the store forgot what it had acknowledged."""
    return [*_codes(load), *_missing(load, records), *_said(watch)]


def copies(records: list[Event]) -> Counter[str]:
    """How often more than once each id is on the topic."""
    return Counter(record["id"] for record in records) - Counter({record["id"]: 1 for record in records})


def _told(load: Load) -> list[str]:
    wrong = [line for client in load.clients for line in client.wrong]
    return _some("answers that must not be", wrong) + _codes(load)


def _codes(load: Load) -> list[str]:
    codes = sum((client.codes for client in load.clients), Counter[int]())
    return _some("status codes that must not be", sorted(set(codes) - CODES))


def published(load: Load, records: list[Event]) -> list[str]:
    """What is wrong with the records of this load: lost, made up, or twice for no reason. Other records do not count."""
    records = [record for record in records if record["id"].startswith(f"{load.name}-")]
    doubtful = {identity for client in load.clients for identity in client.doubtful}
    firsts = Counter(record["id"] for record in records if not record["processing"].get("takeover"))
    return [
        *_missing(load, records),
        *_some("twice, though every request was answered", sorted(set(copies(records)) - doubtful)),
        *_some("twice, and none of them a takeover", sorted(identity for identity, number in firsts.items() if number > 1)),
    ]


def _missing(load: Load, records: list[Event]) -> list[str]:
    """What is wrong with the records of this load, each id taken once: lost or made up."""
    sent = {event["id"] for client in load.clients for event in client.sent}
    settled = {identity for client in load.clients for identity in client.settled}
    out = {record["id"] for record in records if record["id"].startswith(f"{load.name}-")}
    return [
        *_some("settled, and not on the topic", sorted(settled - out)),
        *_some("on the topic, and never sent", sorted(out - sent)),
    ]


def _counted(site: Site, records: list[Event]) -> list[str]:
    """Every instance shows what a recount of the topic comes to, with each id once."""
    expected = _recounted(records)
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


def _recounted(records: list[Event]) -> Groups:
    """What the rules count of these records, each id once."""
    groups = recount(list({record["id"]: record for record in records}.values()))
    return {group: {"ids": figures["answers"], **figures} for group, figures in groups.items()}


def _closed(site: Site, records: list[Event]) -> list[str]:
    """Every window that event time has passed is told, in the end, as a recount of the topic comes to; waits until it is so."""
    if not site.windows:
        return []
    last_ms = max(record["at"] for record in records)
    expected = {window: figures for window, figures in _recounted(records).items() if window[1] < last_ms - last_ms % WINDOW_MS}
    give_up_s = time.monotonic() + _WINDOWS_S
    while (told := last_revisions(site.closed_windows())) != expected and time.monotonic() < give_up_s:
        time.sleep(_LOOK_S)
    wrong = [
        f"{w}: told {told.get(w)}, recounted {expected.get(w)}" for w in {*told, *expected} if told.get(w) != expected.get(w)
    ]
    return _some("closed windows that are not told as they are", sorted(wrong))


def _said(watch: Watch) -> list[str]:
    return _some("ledgers that do not balance", [str(ledger) for ledger in watch.unbalanced])


def _some(what: str, found: list[Any]) -> list[str]:
    return [f"{len(found)} {what}: {found[:_SHOWN]}"] if found else []
