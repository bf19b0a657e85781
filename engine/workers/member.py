"""A worker's side of the channel: what it tells the supervisor, and what it has the supervisor answer.

In: questions of either. Out: figures and rules of all workers for HTTP; this worker's own for the supervisor. Rule of the file: nothing of several
workers is worked out here.
"""

from collections.abc import Callable
from typing import Any, Final

from engine.event import JsonObject
from engine.ingress.problems import RequestRefused
from engine.operations.reload import Reloader
from engine.operations.shadow import ShadowRules
from engine.operations.snapshot import Snapshot
from engine.workers.briefing import arrived
from engine.workers.channel import Channel, NoAnswer
from engine.workers.figures import as_json, from_json
from engine.workers.given_rules import GivenRules

_FIGURES_TIMEOUT_MS: Final = 5_000
_RULES_TIMEOUT_MS: Final = 5_000
_RELOAD_TIMEOUT_MS: Final = 120_000
_LEAVING_TIMEOUT_MS: Final = 1_000


class Membership:
    """What the HTTP interface of a worker is given, so that whichever worker is asked answers for all. See RulesControl.

    `channel` is set when the worker has connected to the supervisor.
    """

    channel: Channel

    async def snapshot(self) -> Snapshot:
        """All workers as they are now."""
        return from_json(await self._ask("figures", {}, _FIGURES_TIMEOUT_MS))

    async def shown(self) -> JsonObject:
        """See RulesControl; `workers` says what each of them works under."""
        return await self._ask("rules", {}, _RULES_TIMEOUT_MS)

    async def reload_and_tell(self, *, dry_run: bool) -> tuple[bool, JsonObject]:
        """See RulesControl; `workers` says what each of them works under now."""
        told: dict[str, Any] = await self._ask("reload", {"dry_run": dry_run}, _RELOAD_TIMEOUT_MS)
        return told["good"], told["content"]

    async def shadow(self, *, reload: bool) -> tuple[bool, JsonObject]:
        """What all workers have seen of the ruleset in the shadow. See ShadowRules.answer."""
        told: dict[str, Any] = await self._ask("shadow", {"reload": reload}, _RELOAD_TIMEOUT_MS if reload else _RULES_TIMEOUT_MS)
        return told["good"], told["shown"]

    async def _ask(self, what: str, content: JsonObject, timeout_ms: int) -> JsonObject:
        try:
            return await self.channel.ask(what, content, timeout_ms=timeout_ms)
        except NoAnswer as error:
            detail = f"the supervisor, which answers for all workers, does not: {error}; ask again in a moment"
            raise RequestRefused(503, "no_answer", detail, {"Retry-After": "1"}) from error


class WorkerAnswers:
    """What the supervisor may ask of one worker."""

    def __init__(
        self, number: int, figures: Callable[[], Snapshot], given: GivenRules, reloader: Reloader, shadow: ShadowRules | None
    ) -> None:
        self._number = number
        self._figures = figures
        self._given = given
        self._reloader = reloader
        self._shadow = shadow

    async def figures(self, _: JsonObject) -> JsonObject:
        """This worker's snapshot."""
        return as_json(self._figures())

    async def stage(self, rules: JsonObject) -> JsonObject:
        """Compile these rules and build all they need: `problem` says what is wrong with them, and is empty where nothing is."""
        self._given.give(arrived(self._given.directory, rules))
        ended = await self._reloader.reload(dry_run=True)
        return {"problem": "" if ended.rejected is None else ended.rejected.reason}

    async def swap(self, wanted: JsonObject) -> JsonObject:
        """Go over to the rules that were staged. Raises NoAnswer where they are not those that are wanted, or it cannot be done."""
        staged = await self._given.mark()
        if staged != wanted["digest"]:
            raise NoAnswer("other rules were staged here")
        ended = await self._reloader.reload()
        if ended.rejected is not None:
            raise NoAnswer(ended.rejected.reason)
        return self.works_under()

    async def shadow(self, wanted: dict[str, Any]) -> JsonObject:
        """What this worker has seen of the ruleset in the shadow. Raises NoAnswer where it has none."""
        if self._shadow is None:
            raise NoAnswer("there is no ruleset in the shadow")
        good, shown = await self._shadow.answer(reload=wanted["reload"])
        return {"good": good, "shown": shown}

    def works_under(self) -> JsonObject:
        """The rules that this worker works under."""
        plan = self._reloader.state.active.plan
        return {"ruleset": plan.id, "digest": plan.ruleset.digest}

    async def leave(self, channel: Channel) -> None:
        """Have the supervisor give this worker no more connections; a supervisor that is gone gives none."""
        try:
            await channel.ask("leaving", {"worker": self._number}, timeout_ms=_LEAVING_TIMEOUT_MS)
        except NoAnswer:
            return

    async def say_goodbye(self, channel: Channel) -> None:
        """Leave the last figures with the supervisor."""
        try:
            content: JsonObject = {"worker": self._number, "figures": as_json(self._figures())}
            await channel.ask("final", content, timeout_ms=_LEAVING_TIMEOUT_MS)
        except NoAnswer:
            return
