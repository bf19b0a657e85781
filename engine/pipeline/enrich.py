"""Enrichment: context from sources, then the fields derived from it.

In: events with their own members. Out: each has an `enrichment` member with one object per source, `derived`, and
`status`. Rule of the file: what is at hand costs a dict look-up; only the rest is asked for, a source at a time for
the whole batch and all sources at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from engine.event import Event
from engine.metrics import Counters
from engine.pipeline.isolate import isolated
from engine.ports import ContextSource
from engine.rules.first_error import FirstError
from engine.rules.model import Path, Source
from engine.rules.plan import Plan
from engine.rules.values import follow


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
        contexts: list[Any] = [{"derived": {}, "status": {}} for _ in events]
        for event, context in zip(events, contexts, strict=True):
            event.data["enrichment"] = context
        asked = []
        for source in plan.ruleset.enrichment.sources.values():
            waiting = self._from_hand(source, events, contexts)
            if waiting:
                asked.append(self._fetch(source, waiting, contexts))
        if asked:
            await asyncio.gather(*asked)
        self._counters.events_enriched += len([None for context in contexts if context["status"]])
        self._counters.derive_errors += len(isolated(plan.derive, events, self._report))

    def _from_hand(self, source: Source, events: Sequence[Event], contexts: list[Any]) -> dict[str, list[int]]:
        """Fill in what is known; returns the places in the batch that wait for each key that is not."""
        name = source.name
        at_hand = self._sources[name].at_hand
        counts, no_hits = self._sources[name].counts, 0
        missing: dict[str, list[int]] = {}
        single = _single_step(source.lookup)
        for place, event in enumerate(events):
            key = event.data.get(single) if single is not None else follow(event.data, source.lookup.steps)
            if type(key) is not str:
                if type(key) is not int:
                    no_hits += 1
                    continue
                key = str(key)
            found = at_hand.get(key)
            if found is None:
                missing.setdefault(key, []).append(place)
                continue
            context = contexts[place]
            if found[0] is not None:
                context[name] = found[0]
            context["status"][name] = found[1]
            if found[1] != "fresh":
                counts.ended(found[1])
                no_hits += 1
        counts.ended("fresh", len(events) - no_hits - sum(map(len, missing.values())), fresh="hits_local")
        return missing

    async def _fetch(self, source: Source, waiting: dict[str, list[int]], contexts: list[Any]) -> None:
        found = await self._sources[source.name].fetch([key for key, places in waiting.items() for _ in places])
        for key, places in waiting.items():
            value, status = found[key]
            for place in places:
                if value is not None:
                    contexts[place][source.name] = value
                contexts[place]["status"][source.name] = status


def _single_step(path: Path) -> str | None:
    return path.steps[0] if len(path.steps) == 1 and isinstance(path.steps[0], str) else None
