"""Enrichment as a record of the engine has it, in the place of the sources.

In: events that were sent with what their records had. Out: the same contexts on them, and derived fields computed anew. Rule of the file: a source that
the record says nothing of is asked, as it is for an event that is no record.
"""

from collections.abc import Iterator, Mapping, Sequence

from engine.event import Event, JsonObject
from engine.metrics import Counters
from engine.pipeline.enrich import Enricher
from engine.ports import Context, ContextSource
from engine.rules.enrichment_codegen import Enriched, key_reader
from engine.rules.model import Source
from engine.rules.plan import Plan
from engine.rules.values import STATUS

Hand = dict[str, Context]


class RecordedEnricher(Enricher):
    """Takes contexts from records where they have them, from the sources where not."""

    def __init__(self, sources: Mapping[str, ContextSource], counters: Counters) -> None:
        super().__init__(sources, counters)
        self._counted = counters

    async def enrich(self, events: Sequence[Event], plan: Plan) -> None:
        """See Enricher."""
        sources = list(plan.ruleset.enrichment.sources.values())
        for run, hands in _runs(events, sources):
            enriched = Enriched.of(len(sources))
            plan.enrich(run, hands, enriched)
            if enriched.waiting:
                asked = [
                    await self._completed(source, hand, enriched.waiting) for source, hand in zip(sources, hands, strict=True)
                ]
                plan.enrich(list(enriched.waiting), asked, Enriched.of(len(sources)))
            self._counted.derive_errors += len(enriched.errors)

    async def _completed(self, source: Source, hand: Hand, events: Sequence[Event]) -> Hand:
        """What these events need of a source: what is at hand, and what it answers for the rest."""
        read, contexts = key_reader(source), self.sources[source.name]
        keys = {key for event in events if (key := read(event.data)) is not None and key not in hand}
        known = {key: contexts.at_hand[key] for key in keys if key in contexts.at_hand}
        return {**hand, **known, **await contexts.fetch(sorted(keys - known.keys()))}


def _runs(events: Sequence[Event], sources: Sequence[Source]) -> Iterator[tuple[list[Event], list[Hand]]]:
    """The events in pieces within which each key has one context, with these by source.

    Two records may have found different things under one key; and what a record found is not for an event that is none.
    """
    readers = [key_reader(source) for source in sources]
    run: list[Event] = []
    hands: list[Hand] = [{} for _ in sources]
    missing: list[set[str]] = [set() for _ in sources]
    for event in events:
        found = [
            (key, _context(event, source.name)) if (key := read(event.data)) is not None else None
            for source, read in zip(sources, readers, strict=True)
        ]
        if any(pair is not None and _differs(pair, hand, asked) for pair, hand, asked in zip(found, hands, missing, strict=True)):
            yield run, hands
            run, hands, missing = [], [{} for _ in sources], [set() for _ in sources]
        run.append(event)
        for pair, hand, asked in zip(found, hands, missing, strict=True):
            if pair is not None and pair[1] is not None:
                hand[pair[0]] = pair[1]
            elif pair is not None:
                asked.add(pair[0])
    if run:
        yield run, hands


def _differs(pair: tuple[str, Context | None], hand: Hand, asked: set[str]) -> bool:
    key, context = pair
    return key in hand if context is None else key in asked or hand.get(key, context) != context


def _context(event: Event, name: str) -> Context | None:
    """What the event's record found in a source; None where it is no record, or the source was not asked."""
    recorded: JsonObject | None = event.submission.recorded[event.index]  # type: ignore[attr-defined]  # in a replay it is a `Sent`
    status = None if recorded is None else recorded.get(STATUS)
    word = status.get(name) if isinstance(status, dict) else None
    if recorded is None or not isinstance(word, str):
        return None
    value = recorded.get(name)
    return Context(value if isinstance(value, dict) else None, word)
