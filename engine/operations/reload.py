"""Rules changed in service: compiled beside the old ones, and put in their place in one step.

In: the rules directory, and calls to look at it. Out: an engine that goes on under the new rules, or under the old ones with the findings
kept. Rule of the file: everything is built before anything is swapped; whatever is wrong leaves what runs as it is.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import StoreUnavailable
from engine.event import JsonObject
from engine.operations.in_service import InService, NotTaken
from engine.operations.last_good import keep_last_good
from engine.operations.live_groups import Count, LiveGroups, count_nothing
from engine.operations.objections import Objections, no_objections
from engine.operations.plan_forms import IN_SERVICE, Change, plan_as_json, plan_human
from engine.operations.rules_on_disk import Attempt, RulesOnDisk
from engine.operations.rules_state import (
    ActiveRules,
    RejectedRules,
    ReloadState,
    Replaced,
    changes_as_json,
    findings_as_json,
    rejected_as_json,
    rejected_rules,
    sections,
    state_as_json,
)
from engine.rules.changes import Changes, changes
from engine.rules.consequences import consequences
from engine.rules.diagnostics import Finding
from engine.rules.plan import Plan

_log = logging.getLogger("rulemill.rules")


@dataclass(frozen=True, slots=True)
class Reload:
    """How an attempt ended: `rejected`, or with what it `changed` (or would have, in a dry run). `plan` is None where refused.

    `consequences` is None where refused; what is in the store was counted in a dry run alone.
    """

    plan: Plan | None
    before: Plan
    findings: tuple[Finding, ...]
    changed: Changes | None = None
    rejected: RejectedRules | None = None
    consequences: Change | None = None


class Reloader:
    """Puts what is in the directory in service. One attempt at a time.

    `seen` is the mark of the contents that the last attempt saw. `last_good` is where a copy is kept of what works, None for
    nowhere. `count` says how much state there is, for dry runs. `objections` are asked for before anything is built.
    """

    def __init__(
        self,
        service: InService,
        on_disk: RulesOnDisk,
        state: ReloadState,
        seen: str,
        last_good: Path | None,
        count: Count = count_nothing,
        objections: Objections = no_objections,
    ) -> None:
        self.state = state
        self.on_disk = on_disk
        self._service = service
        self._seen = seen
        self._last_good = last_good
        self._count = count
        self._objections = objections
        self._told = seen
        self._lock = asyncio.Lock()

    async def look(self) -> None:
        """Reload if the contents are others than those of the last attempt."""
        if await self.on_disk.mark() != self._seen:
            await self.reload(patient=True)

    async def reload(self, *, dry_run: bool = False, patient: bool = False) -> Reload:
        """Compile what is in the directory and put it in service; with `dry_run` only say what that would change.

        With `patient`, wait for files that may still be written; without, somebody asked, and the log says how it ended, though nothing is new.
        """
        async with self._lock:
            attempt = await self.on_disk.compile(patient=patient)
            before = self._service.plan
            plan = attempt.compiled.plan
            if plan is None:
                return self._refuse(attempt, before, dry_run=dry_run, patient=patient)
            if against := await self._objections(before, plan, make=not dry_run):
                return self._refuse(_with(attempt, against), before, dry_run=dry_run, patient=patient)
            try:
                staged = await self._service.stage(plan, attempt.compiled.contents)
            except NotTaken as error:
                return self._refuse(replace(attempt, problem=str(error)), before, dry_run=dry_run, patient=patient)
            change = await self._consequences(before, plan, count=dry_run)
            changed = changes(before, plan)
            result = Reload(plan, before, tuple(attempt.compiled.findings), changed, consequences=change)
            if dry_run or plan.ruleset.digest == before.ruleset.digest:
                await staged.drop()
            else:
                await staged.put_in_service()
                self.state.accepted += 1
                self.state.replaced = Replaced(before.id, changed)
                _log.info("ruleset `%s` in place of `%s`: %s", plan.id, before.id, _in_words(result.changed))
            if not dry_run:
                await self._accept(attempt, plan, asked=not patient)
            return result

    async def shown(self) -> JsonObject:
        """See RulesControl."""
        return state_as_json(self.state, str(self.on_disk.directory))

    async def reload_and_tell(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """See RulesControl."""
        ended = await self.reload(dry_run=dry_run)
        if ended.rejected is not None:
            return False, {"ruleset": ended.before.id, "dry_run": dry_run, **rejected_as_json(ended.rejected)}
        return True, reload_as_json(ended, dry_run=dry_run)

    async def close(self) -> None:
        """Let go of all sources; call it when the processor has ended."""
        await self._service.close()

    async def _consequences(self, old: Plan, new: Plan, *, count: bool) -> Change:
        """What a change does; with `count`, and where the store answers, also how much state there is."""
        directory = self.on_disk.directory
        parts = consequences(old, new, directory, directory)
        states = [part.state for part in parts if part.state] if count else []
        live: Mapping[str, LiveGroups] = {}
        with suppress(StoreUnavailable):
            live = await self._count(states)
        return Change(old.id, new.id, IN_SERVICE, str(directory), parts, live)

    async def _accept(self, attempt: Attempt, plan: Plan, *, asked: bool) -> None:
        state, now_ms = self.state, self._service.now_ms()
        contents = attempt.compiled.contents
        swapped = state.active.plan.ruleset.digest != plan.ruleset.digest
        loaded_ms = now_ms if swapped else state.active.loaded_ms
        state.active = ActiveRules(self._service.plan, contents, attempt.compiled.findings, loaded_ms)
        if state.rejected is not None and not swapped:
            _log.info("the rules directory says again what is in service, ruleset `%s`", plan.id)
        elif asked and not swapped:
            _log.info("the rules directory says what is in service already, ruleset `%s`", plan.id)
        state.rejected, state.last_attempt_ms, state.last_success_ms = None, now_ms, now_ms
        self._seen = self._told = attempt.mark
        if self._last_good is not None:
            try:
                await asyncio.to_thread(keep_last_good, self._last_good, self.on_disk.directory, contents)
                state.keep_problem = None
            except OSError as error:
                state.keep_problem = f"`{self._last_good}`: {error.strerror}"
                _log.warning("no copy of ruleset `%s` was kept at %s", plan.id, state.keep_problem)

    def _refuse(self, attempt: Attempt, before: Plan, *, dry_run: bool, patient: bool) -> Reload:
        now_ms, compiled = self._service.now_ms(), attempt.compiled
        rejected = rejected_rules(attempt, now_ms)
        if not dry_run:
            state = self.state
            state.rejected, state.last_attempt_ms = rejected, now_ms
            # A source that cannot be opened, or a topic, may be there at the next look, though the contents are the same.
            self._seen = "" if compiled.plan is not None else attempt.mark
            if self._told != attempt.mark:
                self._told = attempt.mark
                state.refused += 1
                _log.error("the rules were refused, ruleset `%s` goes on\n%s", before.id, rejected.text.rstrip())
            elif not patient:
                _log.error("the rules were refused as before, ruleset `%s` goes on: %s", before.id, rejected.reason)
        return Reload(None, before, tuple(compiled.findings), rejected=rejected)


def _with(attempt: Attempt, against: Sequence[Finding]) -> Attempt:
    """The attempt, with what was found outside of the rules."""
    return replace(attempt, compiled=replace(attempt.compiled, findings=[*attempt.compiled.findings, *against]))


def _in_words(changed: Changes | None) -> str:
    if changed is None:
        return "nothing changed"
    parts = []
    for what, difference in (("filters", changed.filters), ("aggregations", changed.aggregations), ("sources", changed.sources)):
        counts = (("added", difference.added), ("removed", difference.removed), ("changed", difference.changed))
        words = [f"{len(names)} {word}" for word, names in counts if names]
        parts += [f"{what}: {', '.join(words)}"] if words else []
    return "; ".join(parts) or "no filter, aggregation or source is another"


def reload_as_json(ended: Reload, *, dry_run: bool) -> JsonObject:
    """As `POST /rules/reload` answers where the rules are good.

    `swapped`: others are in service now than before, or would be without `dry_run`.
    """
    plan = ended.plan or ended.before
    return {
        "ruleset": plan.id,
        "before": ended.before.id,
        "swapped": plan.ruleset.digest != ended.before.ruleset.digest,
        "dry_run": dry_run,
        "changes": None if ended.changed is None else changes_as_json(ended.changed),
        "plan": None if ended.consequences is None else plan_as_json(ended.consequences),
        "text": "" if ended.consequences is None else plan_human(ended.consequences),
        "sections": sections(plan),
        "findings": findings_as_json(ended.findings),
    }
