"""What HTTP needs of the engine. Rule of the file: protocols; what serves them is brought from outside."""

from typing import Protocol

from engine.event import JsonObject, Submission
from engine.ports import RequestLimits
from engine.rules.plan_events import EventPlan


class Service(Protocol):
    """The engine, as its HTTP interface sees it. Everything is called on the event loop; what is not async returns at once."""

    @property
    def limits(self) -> RequestLimits:
        """What one request may bring, as it is now."""

    @property
    def event_plan(self) -> EventPlan:
        """What the plan in service asks of an event."""

    @property
    def ruleset(self) -> str:
        """The id of the plan in service, as it stands in records and answers."""

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds."""

    def submit(self, submission: Submission) -> bool:
        """Take a submission of at least one item; its `done` is called later, on the event loop.

        False where there is no room for it, or the engine takes nothing more: then it was not received, and `done` never is called.
        """

    @property
    def enabled(self) -> bool:
        """False where the service is set to take no events."""

    async def rules(self) -> JsonObject:
        """The rules in service, and those that were refused last, as `GET /rules` answers them."""

    async def reload_rules(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """Put what the rules directory holds in service, or with `dry_run` only say what that would change.

        True with what changed; False, with the findings, where the rules were refused: the old ones go on.
        """

    async def status(self) -> JsonObject:
        """The health of the engine and its parts, as `GET /processor/status` answers it."""

    def ready(self) -> tuple[bool, str]:
        """Whether events are taken, and where not, why: words for a person, empty otherwise."""


class Statistics(Protocol):
    """What can be asked of the engine, each answer as its endpoint shows it."""

    async def processor(self) -> JsonObject:
        """Counters, latency, throughput, utilisation and queue."""

    async def enrichment(self) -> JsonObject:
        """What became of look-ups, by source."""

    async def filters(self) -> JsonObject:
        """What filters saw and did, by id."""

    async def aggregations(self) -> JsonObject:
        """What aggregations there are, and what they have counted."""

    async def aggregation(self, aggregator: str, key: str, from_ms: int, to_ms: int, limit: int) -> JsonObject:
        """The `limit` newest windows of a key that begin in [from_ms, to_ms), newest first.

        Raises NotKnown, QueryInvalid, or StoreUnavailable.
        """

    async def prometheus(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the best form that `accept` names, and its content type."""
