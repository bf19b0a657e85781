"""Enrichment: context from sources, then the fields derived from it.

In: events with their own members. Out: each has an `enrichment` member with one object per source, `derived`, and
`status`. Rule of the file: what is at hand costs a dict look-up; only the rest is asked for, a source at a time for
the whole batch and all sources at once.
"""

import asyncio
from collections.abc import Mapping, Sequence

from engine.event import Event
from engine.metrics import Counters
from engine.ports import Context, ContextSource
from engine.rules.enrichment_codegen import FRESH, Enriched, key_reader
from engine.rules.first_error import FirstError
from engine.rules.model import Source
from engine.rules.plan import Plan


class Enricher:
    """Asks the sources of a plan. It owns none of them."""

    def __init__(self, sources: Mapping[str, ContextSource], counters: Counters) -> None:
        self._sources = sources
        self._counters = counters
        self._report = FirstError("derived fields")

    @property
    def sources(self) -> Mapping[str, ContextSource]:
        """The sources by their names."""
        return self._sources

    async def enrich(self, events: Sequence[Event], plan: Plan) -> None:
        """Put context and derived fields on the events. A source that fails leaves its stamp, never an error."""
        sources = [(source, self._sources[source.name]) for source in plan.ruleset.enrichment.sources.values()]
        enriched = Enriched.of(len(sources))
        plan.enrich(events, [contexts.at_hand for _, contexts in sources], enriched)
        if enriched.waiting:
            hands = await asyncio.gather(*(self._ask(source, contexts, enriched.waiting) for source, contexts in sources))
            asked = Enriched.of(len(sources))
            plan.enrich(enriched.waiting, hands, asked)
            enriched.with_context += asked.with_context
            enriched.errors += asked.errors
        for (_, contexts), fresh, others in zip(sources, enriched.fresh, enriched.others, strict=True):
            _count_from_hand(contexts, fresh, others)
        self._counters.events_enriched += enriched.with_context
        self._note(enriched.errors)

    async def _ask(self, source: Source, contexts: ContextSource, events: Sequence[Event]) -> Mapping[str, Context]:
        """The contexts that these events need of one source, whether they are at hand or have to be asked for."""
        read = key_reader(source)
        keys = [key for event in events if (key := read(event.data)) is not None]
        at_hand = contexts.at_hand
        known = {key: at_hand[key] for key in keys if key in at_hand}
        statuses = [known[key].status for key in keys if key in known]
        fresh = statuses.count(FRESH)
        _count_from_hand(contexts, fresh, [status for status in statuses if status != FRESH])
        missing = [key for key in keys if key not in known]
        return {**known, **await contexts.fetch(missing)} if missing else known

    def _note(self, errors: Sequence[Exception]) -> None:
        self._counters.derive_errors += len(errors)
        for error in errors:
            self._report(error)


def _count_from_hand(contexts: ContextSource, fresh: int, others: Sequence[str]) -> None:
    contexts.counts.ended(FRESH, fresh, fresh="hits_local")
    for status in others:
        contexts.counts.ended(status)
