"""A source as the enrich stage sees it: its chain of places to ask, its fields, its default.

In: keys. Out: a context for each, whatever happens, with a word on how it was found.
"""

from collections.abc import Mapping, Sequence

from engine.enrichment.sources.file import FileSource
from engine.errors import LookupFailed
from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Context, LookupSource
from engine.rules.model import Source


class SourceContexts:
    """Asks the places of a source in turn, each for the keys that those before it did not know.

    A table in memory that stands first is at hand as a whole; its contexts are cut to `fields` once.
    """

    def __init__(self, source: Source, chain: Sequence[LookupSource]) -> None:
        self._fields = source.fields
        self._chain = chain
        self._default = None if source.default is None else dict(source.default)
        self._table = chain[0] if isinstance(chain[0], FileSource) else None
        self._at_hand: dict[str, Context] = {}
        self._version = 0
        self.counts = SourceCounts()
        self.breaker = "closed"

    @property
    def at_hand(self) -> Mapping[str, Context]:
        """See ContextSource."""
        if self._table is not None:
            try:
                rows = self._table.rows()
            except LookupFailed:
                return self._at_hand
            if self._version != self._table.version:
                self._version = self._table.version
                self._at_hand = {key: Context(self._cut(row), "fresh") for key, row in rows.items()}
        return self._at_hand

    @property
    def entries(self) -> int:
        """See ContextSource."""
        return len(self._at_hand)

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Context]:
        """See ContextSource."""
        found: dict[str, Context] = {}
        for place in self._chain:
            left = [key for key in keys if key not in found]
            if not left:
                break
            try:
                rows = await place.lookup(left)
            except LookupFailed:
                self.counts.errors += 1
            else:
                found |= {key: Context(self._cut(row), "fresh") for key, row in rows.items()}
        nothing = Context(None, "negative") if self._default is None else Context(self._default, "default")
        for key in keys:
            self.counts.ended(found.get(key, nothing).status)
        return {key: found.get(key, nothing) for key in keys}

    async def close(self) -> None:
        """See ContextSource."""
        for place in self._chain:
            await place.close()

    def _cut(self, row: JsonObject) -> JsonObject:
        return {name: row[name] for name in self._fields if name in row} if self._fields else row
