"""What `process` must come to, written as plainly as it can be: one loop and some dicts, of the rules in `samples`."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.samples import PLANS, WINDOW_MS, Event


@dataclass
class Reference:
    """Counts, records by id and groups by key and start of a run over some lines.

    A copy of an event that is out is no late event, however late it comes.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("received", "accepted", "duplicate", "blocked", "rejected", "late"), 0)
    )
    robots: int = 0
    quick: int = 0
    without_time_taken: int = 0
    records: dict[str, Event] = field(default_factory=dict)
    groups: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    _latest_ms: dict[str, int] = field(default_factory=dict)

    def run(self, lines: list[bytes]) -> "Reference":
        for line in lines:
            self.counts["received"] += 1
            self.counts[self._take(line)] += 1
        return self

    def _take(self, line: bytes) -> str:
        event = _valid(line)
        if event is None:
            return "rejected"
        late = self._note_time(event)
        if event["id"] in self.records:
            return "duplicate"
        self.counts["late"] += late
        if "robot" in event["agent"]:
            self.robots += 1
            return "blocked"
        self.records[event["id"]] = self._record(event, late=late)
        self._count(event)
        return "accepted"

    def _note_time(self, event: Event) -> bool:
        latest_ms = self._latest_ms.setdefault(event["user"], event["at"])
        self._latest_ms[event["user"]] = max(latest_ms, event["at"])
        late: bool = event["at"] < latest_ms
        return late

    def _record(self, event: Event, *, late: bool) -> Event:
        took_ms = event.get("took_ms")
        marks, derived = [], {}
        if took_ms is None:
            self.without_time_taken += 1
        else:
            derived["pace"] = "quick" if took_ms < 1000 else "slow"
            if took_ms < 1000:
                self.quick += 1
                marks = ["quick"]
        plan = PLANS.get(event["user"])
        person = {} if plan is None else {"person": {"plan": plan}}
        status = {"person": "negative" if plan is None else "fresh"}
        enrichment = {**person, "derived": derived, "status": status}
        processing = {"id": event["id"], "marks": marks, "routes": [], "late": late, "degraded": []}
        return {**event, "enrichment": enrichment, "processing": processing}

    def _count(self, event: Event) -> None:
        place = f"user:{event['user']}", event["at"] - event["at"] % WINDOW_MS
        group = self.groups.setdefault(place, {"answers": 0, "points": 0, "slowest_ms": None})
        group["answers"] += 1
        group["points"] += event["points"]
        if "took_ms" in event:
            group["slowest_ms"] = max(event["took_ms"], group["slowest_ms"] or 0)


def _valid(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("points"), int) and event["points"] >= 0 else None
