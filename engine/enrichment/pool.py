"""The sources in service, handed on from one generation to the next.

In: sources as the rules say them. Out: the contexts of each; the same ones for as long as somebody holds them and the rule stays as it is, so
that a reload loses no cache, no connection and no open breaker. Rule of the file: what is acquired is released once; the last release closes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.ports import ContextSource
from engine.rules.model import Enrichment, Source


@dataclass(slots=True, eq=False)
class _Held:
    rule: tuple[object, ...]
    contexts: ContextSource
    holders: int = 0


class SourcePool:
    """Builds sources, and keeps count of who holds them."""

    def __init__(self, build: Callable[[Source], ContextSource]) -> None:
        self._build = build
        self._held: list[_Held] = []

    def acquire(self, enrichment: Enrichment) -> Mapping[str, ContextSource]:
        """The contexts of each source by its name. Raises what building one raises; then none is acquired."""
        acquired = {name: self._of(source) for name, source in enrichment.sources.items()}
        for held in acquired.values():
            held.holders += 1
            if held not in self._held:
                self._held.append(held)
        return {name: held.contexts for name, held in acquired.items()}

    async def release(self, contexts: Iterable[ContextSource]) -> None:
        """Give back what was acquired; what nobody holds any more is closed."""
        for one in contexts:
            held = next(held for held in self._held if held.contexts is one)
            held.holders -= 1
            if not held.holders:
                self._held.remove(held)
                await one.close()

    def _of(self, source: Source) -> _Held:
        # A relative path means another file in another directory.
        rule = (source, *(Path(spec.span.file).parent for spec in source.chain))
        for held in self._held:
            if held.rule == rule:
                return held
        return _Held(rule, self._build(source))
