"""A source as the enrich stage sees it: the answers that are kept, and the flights that bring more.

In: keys. Out: a context for each, within the budget, whatever happens, with a word on how it was found. Rule of the file: time and
failures end here; nothing of them reaches the pipeline but a status.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from engine.enrichment.breaker import CircuitBreaker
from engine.enrichment.cache import Entry, LocalCache
from engine.enrichment.flights import Flights, Landed
from engine.enrichment.place import Place
from engine.enrichment.rows import cut
from engine.enrichment.shared import SharedAnswers, SharedCache
from engine.enrichment.sources.file import FileSource
from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Clock, Context, LookupSource
from engine.rules.model import Source

_MAX_KEY_CHARS: Final = 1_000
_WITHOUT_ANSWER: Final = frozenset({"timeout", "breaker_open"})
_WORST_FIRST: Final = ("open", "half_open", "closed")


class SourceContexts:
    """One source of a ruleset, over the places of its chain, which it owns.

    A table in memory that stands first is at hand as a whole; its contexts are cut to `fields` once, and no breaker guards it. A key
    of more than 1,000 characters is known nowhere. `shared` is where the answers are that other workers have found, None for nowhere.
    """

    def __init__(
        self,
        source: Source,
        chain: Sequence[LookupSource],
        budget_ms: int,
        clock: Clock,
        shared: SharedAnswers | None = None,
    ) -> None:
        self.counts = SourceCounts()
        self._default = None if source.default is None else dict(source.default)
        self._nothing = Context(None, "negative") if self._default is None else Context(self._default, "default")
        self._budget_ms = budget_ms
        self._clock = clock
        self._table = _Table(chain[0], source.fields) if isinstance(chain[0], FileSource) else None
        self._cache = LocalCache(source.cache)
        self._places = [self._place(source, spec.kind, place) for spec, place in zip(source.chain, chain, strict=True)]
        self._files = [place for place in chain if isinstance(place, FileSource)]
        self._kinds = [spec.kind for spec in source.chain]
        self._shared = None if shared is None else SharedCache(shared, source, self.counts, clock)
        self._flights = Flights(self._places, self._land, source.max_waiting, self._share if self._shared else None)

    @property
    def at_hand(self) -> Mapping[str, Context]:
        """See ContextSource."""
        if self._table is not None:
            return self._table.contexts()
        self._cache.sweep(self._clock.monotonic_ms())
        return self._cache.at_hand

    @property
    def breaker(self) -> str:
        """See ContextSource."""
        states = {place.breaker for place in self._places}
        return next(state for state in _WORST_FIRST if state in states)

    @property
    def problem(self) -> str | None:
        """See ContextSource."""
        problems = [(kind, place.problem) for kind, place in zip(self._kinds, self._places, strict=True)]
        problems += [("file", file.problem) for file in self._files]
        return next((f"{kind}: {problem}" for kind, problem in problems if problem is not None), None)

    @property
    def entries(self) -> int:
        """See ContextSource."""
        return len(self._cache) + (0 if self._table is None else len(self._table.contexts()))

    @property
    def waiting(self) -> int:
        """See ContextSource."""
        return len(self._flights)

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Context]:
        """See ContextSource."""
        times = Counter(keys)
        found: dict[str, Context] = {}
        missing = self._look_up(times, found)
        if missing:
            for key, (context, counted_as) in (await self._ask(missing)).items():
                self.counts.ended(context.status, times[key], fresh=counted_as)
                found[key] = context
        return found

    def _look_up(self, times: Mapping[str, int], found: dict[str, Context]) -> dict[str, Entry | None]:
        """Fill in what is kept and good, and see to what is due; returns the other keys, with what could stand in for an answer."""
        now_ms = self._clock.monotonic_ms()
        self._cache.sweep(now_ms)
        missing: dict[str, Entry | None] = {}
        due: list[str] = []
        for key, look_ups in times.items():
            entry = self._cache.find(key, now_ms)
            if len(key) > _MAX_KEY_CHARS:
                found[key] = self._nothing
            elif entry is None or now_ms >= entry.fresh_until_ms:
                missing[key] = entry
                continue
            else:
                found[key] = entry.context
                if now_ms >= entry.due_ms:
                    due.append(key)
            self.counts.ended(found[key].status, look_ups, fresh="hits_local")
        self._refresh(due, now_ms)
        return missing

    async def close(self) -> None:
        """See ContextSource."""
        await self._flights.close()
        for place in self._places:
            await place.close()

    def _place(self, source: Source, kind: str, place: LookupSource) -> Place:
        breaker = None if source.breaker is None or isinstance(place, FileSource) else CircuitBreaker(source.breaker, self._clock)
        return Place(f"enrichment source `{source.name}` ({kind})", place, source.fields, breaker, self.counts, self._clock)

    def _refresh(self, due: Sequence[str], now_ms: int) -> None:
        """Ask again for what will be over soon, behind everybody's back; meanwhile it is at hand."""
        for key in due:
            self._cache.postpone(key, now_ms)
        if due and not self._flights.refused:
            self.counts.refreshes += self._flights.start(due)

    async def _ask(self, missing: Mapping[str, Entry | None]) -> dict[str, Landed]:
        """What the places answer in time; what is over and can still be used stands in for what they do not."""
        if self._flights.refused and self._shared is None:
            return {key: Landed(self._instead(entry, "breaker_open")) for key, entry in missing.items()}
        futures = self._flights.ask(list(missing))
        await self._within_budget(list(futures.values()))
        asked = {}
        for key, entry in missing.items():
            future = futures.get(key)
            landed = future.result() if future is not None and future.done() else Landed(self._instead(None, "timeout"))
            unanswered = landed.context.status in _WITHOUT_ANSWER
            asked[key] = Landed(self._instead(entry, landed.context.status)) if entry and unanswered else landed
        return asked

    async def _within_budget(self, futures: Sequence["asyncio.Future[Landed]"]) -> None:
        """Return when all have come, or the time is over; what has not come goes on."""
        if not futures:
            return
        all_of_them = asyncio.ensure_future(asyncio.wait(futures))
        timer = asyncio.ensure_future(self._clock.sleep(self._budget_ms))
        try:
            await asyncio.wait((all_of_them, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            all_of_them.cancel()
            timer.cancel()

    def _instead(self, entry: Entry | None, status: str) -> Context:
        return Context(self._default, status) if entry is None else Context(entry.context.value, "stale")

    async def _share(self, keys: Sequence[str], *, ahead: bool) -> Mapping[str, Landed]:
        """What other workers have found, kept here as well for as long as it is good."""
        if self._shared is None:
            return {}
        found, now_ms = await self._shared.read(keys, ahead=ahead), self._clock.monotonic_ms()
        landed = {}
        for key, (row, left_ms) in found.items():
            context = self._nothing if row is None else Context(row, "fresh")
            keep = self._cache.keep_nothing if row is None else self._cache.keep
            keep(key, context, now_ms, left_ms)
            landed[key] = Landed(context, "hits_shared")
        return landed

    def _land(self, key: str, context: Context) -> Landed:
        """Keep an answer, and make of it what the pipeline sees; a failure is no answer, and leaves what was kept."""
        now_ms = self._clock.monotonic_ms()
        if context.value is not None:
            landed = context
            self._cache.keep(key, landed, now_ms)
            self._tell(key, context.value)
        elif context.status in _WITHOUT_ANSWER:
            landed = self._instead(None, context.status)
        else:
            landed = self._nothing
            self._cache.keep_nothing(key, landed, now_ms)
            self._tell(key, None)
        return Landed(landed)

    def _tell(self, key: str, row: JsonObject | None) -> None:
        if self._shared is not None:
            self._shared.keep(key, row)


class _Table:
    """The whole of a file, as contexts; made again when the file changed."""

    def __init__(self, file: FileSource, fields: Sequence[str]) -> None:
        self._file = file
        self._fields = fields
        self._version = 0
        self._contexts: dict[str, Context] = {}

    def contexts(self) -> Mapping[str, Context]:
        try:
            rows = self._file.rows()
        except LookupFailed:
            return self._contexts
        if self._version != self._file.version:
            self._version = self._file.version
            self._contexts = {key: Context(cut(row, self._fields), "fresh") for key, row in rows.items()}
        return self._contexts
