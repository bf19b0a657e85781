"""Who works under the rules in service, as whoever reloads them sees it: one process here, several in `engine/workers`.

In: a plan that compiled. Out: it is in service, or nothing has changed. Rule of the file: everything that can go wrong does so in `stage`.
"""

import asyncio
import logging
from typing import Protocol

from engine.errors import RulemillError
from engine.pipeline.generation import Generation
from engine.pipeline.handover import Predecessor, hand_over
from engine.pipeline.processor import Processor
from engine.rules.compiler import Contents
from engine.rules.plan import Plan

_log = logging.getLogger("rulemill.rules")


class NotTaken(RulemillError):
    """Rules that compiled cannot be put in service; the text says why. Those before them go on."""


class Staged(Protocol):
    """Rules for which everything is built. Call one of the two, once."""

    async def put_in_service(self) -> None:
        """Judge by them what comes from now on."""

    async def drop(self) -> None:
        """Let go of what was built for them."""


class InService(Protocol):
    """The rules in service and those who work under them."""

    @property
    def plan(self) -> Plan:
        """The plan in service."""

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds."""

    async def stage(self, plan: Plan, contents: Contents) -> Staged:
        """Build what the plan, compiled from `contents`, needs. Raises NotTaken."""

    async def close(self) -> None:
        """Let go of everything that was built."""


class OneProcess:
    """The processor of this process."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._leaving: dict[Generation, asyncio.Task[None]] = {}

    @property
    def plan(self) -> Plan:
        """See InService."""
        return self._processor.stages.intake.generation.plan

    def now_ms(self) -> int:
        """See InService."""
        return self._processor.stages.clock.now_ms()

    async def stage(self, plan: Plan, contents: Contents) -> "_StagedGeneration":
        """See InService."""
        del contents
        try:
            number = self._processor.stages.intake.generation.number + 1
            return _StagedGeneration(self, self._processor.stages.generation(plan, number))
        except Exception as error:
            raise NotTaken(f"an enrichment source cannot be opened: {error}") from error

    async def close(self) -> None:
        """See InService; call it when the processor has ended."""
        for task in self._leaving.values():
            task.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        for generation in (*self._leaving, self._processor.stages.intake.generation):
            await _close(generation)

    def swap(self, generation: Generation) -> None:
        """Have the generation take over."""
        predecessor = hand_over(self._processor.stages, generation)
        old = predecessor.generation
        self._leaving[old] = asyncio.create_task(self._let_go(predecessor), name=f"rules {old.plan.id} leaving")

    async def _let_go(self, predecessor: Predecessor) -> None:
        """When the old generation's last batch is through: count it, and give its sources back."""
        old = predecessor.generation
        await self._processor.through_with(old)
        predecessor.settle(self._processor.stages)
        del self._leaving[old]
        await _close(old)


class _StagedGeneration:
    def __init__(self, process: OneProcess, generation: Generation) -> None:
        self._process = process
        self._generation = generation

    async def put_in_service(self) -> None:
        """See Staged."""
        self._process.swap(self._generation)

    async def drop(self) -> None:
        """See Staged."""
        await _close(self._generation)


async def _close(generation: Generation) -> None:
    try:
        await generation.close()
    except Exception:  # noqa: BLE001 - a plug-in may raise anything, and nothing depends on it any more
        _log.warning("a source of ruleset `%s` could not be closed", generation.plan.id, exc_info=True)
