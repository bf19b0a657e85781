"""The sources in service, handed on from one generation to the next.

In: sources as the rules say them. Out: the contexts of each; the same ones for as long as somebody holds them and the rule stays as it is, so
that a reload loses no cache, no connection and no open breaker. Rule of the file: what is acquired is released once; the last release closes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.enrichment.contexts import SourceContexts
from engine.enrichment.kinds import build_place, build_shared
from engine.enrichment.shared import SharedAnswers
from engine.ports import Clock, ContextSource
from engine.rules.model import Enrichment, Source
from engine.settings import RedisSettings, SharedCacheSettings


@dataclass(slots=True, eq=False)
class _Held:
    rule: tuple[object, ...]
    contexts: ContextSource
    holders: int = 0


class SourcePool:
    """Builds sources, and keeps count of who holds them. `make`, where it is given, makes what stands for a source instead.

    `redis` is the engine's own, by default as the settings have it; `shared` says how answers are shared there by all workers, None that they are not.
    """

    def __init__(
        self,
        clock: Clock,
        make: Callable[[Source], ContextSource] | None = None,
        *,
        redis: RedisSettings | None = None,
        shared: SharedCacheSettings | None = None,
    ) -> None:
        self._clock = clock
        self._make = make
        self._redis = redis or RedisSettings()
        self._sharing = shared
        self._shared: SharedAnswers | None = None
        self._held: list[_Held] = []

    def acquire(self, enrichment: Enrichment) -> Mapping[str, ContextSource]:
        """The contexts of each source by its name.

        Raises SettingsInvalid or LookupFailed where a source cannot be built; then none is acquired.
        """
        acquired = {name: self._of(source, enrichment.budget_ms) for name, source in enrichment.sources.items()}
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

    def kept(self) -> dict[str, int]:
        """Answers that wait to be shared, and how many may; nothing where none are shared."""
        if self._sharing is None:
            return {}
        waiting = 0 if self._shared is None else self._shared.waiting
        return {"shared_waiting": waiting, "shared_max_waiting": self._sharing.max_waiting}

    async def close(self) -> None:
        """Let go of what all sources share; call it when none of them is held any more."""
        if self._shared is not None:
            await self._shared.close()

    def _of(self, source: Source, budget_ms: int) -> _Held:
        # A relative path means another file in another directory.
        rule = (source, budget_ms, *(Path(spec.span.file).parent for spec in source.chain))
        for held in self._held:
            if held.rule == rule:
                return held
        return _Held(rule, self._build(source, budget_ms) if self._make is None else self._make(source))

    def _build(self, source: Source, budget_ms: int) -> ContextSource:
        chain = [build_place(spec, self._clock, self._redis) for spec in source.chain]
        return SourceContexts(source, chain, budget_ms, self._clock, self._shared_for(source))

    def _shared_for(self, source: Source) -> SharedAnswers | None:
        """Where this source's answers are shared; a table in memory that stands first has nothing to share."""
        if self._sharing is None or source.cache.shared_ttl_ms is None or source.chain[0].kind == "file":
            return None
        if self._shared is None:
            self._shared = build_shared(self._redis, self._sharing, self._clock)
        return self._shared
