"""A service behind the HTTP interface, over the real decoder, that ends events as it is told to."""

import asyncio
from collections.abc import Iterable

import httpx

from engine.event import BLOCKED, DUPLICATE, OUTCOME_ACCEPTED, RETRY, Event, JsonObject, Outcome, Submission
from engine.ingress.decode import Decoder
from engine.ports import RequestLimits
from tests.unit.ingress.samples import MAX_EVENT_BYTES, NOW_MS, PLAN

MAX_BODY_BYTES = 100_000


class DecodingService:
    """Decodes submissions at once and remembers claims. With `held`, events wait there for `end`."""

    limits = RequestLimits(max_body_bytes=MAX_BODY_BYTES, max_events=50)
    ruleset = "0123456789ab"
    enabled = True
    event_plan = PLAN

    def __init__(self) -> None:
        self.decoder = Decoder(PLAN, self.now_ms, max_event_bytes=MAX_EVENT_BYTES)
        self.submissions: list[Submission] = []
        self.seen: set[str] = set()
        self.has_room = True
        self.reason = ""
        self.held: asyncio.Queue[Event] | None = None

    def now_ms(self) -> int:
        return NOW_MS

    def submit(self, submission: Submission) -> bool:
        if not self.has_room:
            return False
        self.submissions.append(submission)
        events = self.decoder.decode(submission)
        if self.held is None:
            self.end(events)
        else:
            for event in events:
                self.held.put_nowait(event)
        return True

    def end(self, events: Iterable[Event]) -> None:
        for event in events:
            event.submission.settle(event.index, self._outcome(event))

    async def status(self) -> JsonObject:
        return {"status": "ok", "queue": 0}

    async def rules(self) -> JsonObject:
        return {"ruleset": self.ruleset}

    async def reload_rules(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        return True, {"dry_run": dry_run}

    def ready(self) -> tuple[bool, str]:
        return not self.reason, self.reason

    def _outcome(self, event: Event) -> Outcome:
        if event.data.get("user_agent") == "bot":
            return Outcome(BLOCKED, "bot_traffic", "bot")
        if event.data.get("unlucky"):
            return Outcome(RETRY, "store_unavailable", "send the event again")
        if event.claim_key is not None and event.claim_key in self.seen:
            return Outcome(DUPLICATE)
        self.seen.add(event.claim_key or "")
        return OUTCOME_ACCEPTED


def problem_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code, of a well-formed problem."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["detail"]
    return response.status_code, problem["code"]
