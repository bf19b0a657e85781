"""The rules that the service starts with: those of the directory, or where they are broken, the last that worked.

In: a rules directory and, where one is kept, the copy of its last good contents. Out: a plan and the state that reloads go on from.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from engine.operations.last_good import LastGoodUnreadable, keep_last_good, read_last_good
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.rules_state import ActiveRules, ReloadState, rejected_rules
from engine.rules.compiler import Compiled, compile_rules
from engine.rules.plan import Plan
from engine.rules.reports import human
from engine.rules.snapshot import RulesUnreadable

_log = logging.getLogger("rulemill.rules")


class Start(NamedTuple):
    """What to start with. `state` is None where there is nothing: then `report` says why, for people."""

    mark: str
    state: ReloadState | None
    report: str


def start_rules(on_disk: RulesOnDisk, last_good: Path | None, now_ms: int) -> Start:
    """Compile the directory, or fall back on the copy at `last_good`; blocks.

    Raises RulesUnreadable where there is no directory to read and nothing to fall back on.
    """
    attempt = on_disk.compile_now()
    if attempt.compiled.plan is not None:
        active = _active(attempt.compiled, attempt.compiled.plan, now_ms, "directory")
        state = ReloadState(active, None, now_ms, now_ms)
        if last_good is not None:
            try:
                keep_last_good(last_good, on_disk.directory, attempt.compiled.contents)
            except OSError as error:
                state.keep_problem = f"`{last_good}`: {error.strerror}"
        return Start(attempt.mark, state, "")
    rejected = rejected_rules(attempt, now_ms)
    kept = None if last_good is None else _from_copy(on_disk, last_good)
    if kept is None or kept.plan is None:
        if attempt.problem:
            raise RulesUnreadable(attempt.problem)
        return Start(attempt.mark, None, rejected.text)
    active = _active(kept, kept.plan, now_ms, "last_good")
    _log.error(
        "the rules cannot be used; starting with the last good ones, ruleset `%s`\n%s", active.plan.id, rejected.text.rstrip()
    )
    return Start(attempt.mark, ReloadState(active, rejected, now_ms, None, refused=1), rejected.text)


def _from_copy(on_disk: RulesOnDisk, path: Path) -> Compiled | None:
    try:
        kept = read_last_good(path, on_disk.directory)
    except LastGoodUnreadable as error:
        _log.warning("%s", error)
        return None
    compiled = compile_rules(on_disk.directory, on_disk.environ, on_disk.source_kinds, kept)
    if compiled.plan is None:
        _log.warning("the last good rules at `%s` cannot be used any more\n%s", path, human(compiled.findings, compiled.sources))
    return compiled


def _active(compiled: Compiled, plan: Plan, now_ms: int, origin: str) -> ActiveRules:
    return ActiveRules(plan, compiled.contents, compiled.findings, now_ms, origin)
