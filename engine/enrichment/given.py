"""Contexts that somebody gives instead of a source: what a rule test says is found, what an explanation is asked with.

In: keys. Out: one context for all of them. Rule of the file: an answer has the form that the source's own would have: its `fields`, its
`default`, its word on how it was found.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Context
from engine.rules.model import Source

FAULTS: Final = ("timeout", "error", "breaker_open", "stale")
"""What may happen to a source, in words of a rule test. `stale`: it fails, and an old answer is at hand."""

_NOTHING_KNOWN: Final[Mapping[str, Context]] = {}


class GivenContexts:
    """A source under control, called `name`. `value` is what it finds for every key, None for nothing; `fault` is one of FAULTS, or None."""

    def __init__(self, source: Source, value: JsonObject | None) -> None:
        self.name = source.name
        self.value = value
        self.fault: str | None = None
        self.counts = SourceCounts()
        self._source = source

    @property
    def at_hand(self) -> Mapping[str, Context]:
        """See ContextSource."""
        return _NOTHING_KNOWN

    @property
    def breaker(self) -> str:
        """See ContextSource."""
        return "open" if self.fault == "breaker_open" else "closed"

    @property
    def problem(self) -> str | None:
        """See ContextSource."""
        return None

    @property
    def entries(self) -> int:
        """See ContextSource."""
        return 0

    @property
    def waiting(self) -> int:
        """See ContextSource."""
        return 0

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Context]:
        """See ContextSource."""
        context = self._context()
        self.counts.ended(context.status, len(keys))
        return dict.fromkeys(keys, context)

    async def close(self) -> None:
        """See ContextSource."""

    def _context(self) -> Context:
        value, fields = self.value, self._source.fields
        if value is not None and self.fault in {None, "stale"}:
            kept = {name: value[name] for name in fields if name in value} if fields else value
            return Context(kept, self.fault or "fresh")
        default = None if self._source.default is None else dict(self._source.default)
        if self.fault in {"timeout", "breaker_open"}:
            return Context(default, self.fault)
        return Context(None, "negative") if default is None else Context(default, "default")
