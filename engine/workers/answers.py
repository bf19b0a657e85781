"""What the supervisor answers its workers, who ask on behalf of their clients.

In: questions. Out: figures and rules of all. Rule of the file: it is put together from those who know.
"""

from dataclasses import replace
from typing import Any

from engine.event import JsonObject
from engine.operations.reload import Reloader
from engine.operations.snapshot import RulesLoad
from engine.workers.channel import Handler
from engine.workers.figures import FiguresOfAll, as_json
from engine.workers.shadows import ShadowsOfAll
from engine.workers.supervisor import Supervisor


def answers(supervisor: Supervisor, figures: FiguresOfAll, reloader: Reloader, shadows: ShadowsOfAll) -> dict[str, Handler]:
    """By what is asked."""

    async def of_all(_: JsonObject) -> JsonObject:
        state = reloader.state
        rules_load = RulesLoad(state.successful, state.last_attempt_ms)
        snapshot = await figures.all(rules_load, [*state.reasons(), *supervisor.reasons()])
        return as_json(replace(snapshot, each_worker=supervisor.each()))

    async def rules(_: JsonObject) -> JsonObject:
        return {**await reloader.shown(), "workers": _rulesets(supervisor)}

    async def reload(content: dict[str, Any]) -> JsonObject:
        good, told = await reloader.reload_and_tell(dry_run=content["dry_run"])
        return {"good": good, "content": {**told, "workers": _rulesets(supervisor)}}

    return {"figures": of_all, "rules": rules, "reload": reload, "shadow": shadows.answer}


def _rulesets(supervisor: Supervisor) -> JsonObject:
    return {str(worker.number): worker.ruleset for worker in supervisor.serving()}
