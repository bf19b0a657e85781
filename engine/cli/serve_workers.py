"""`rulemill serve` with several workers: this process starts them, shares the connections out among them, and answers for all.

Rule of the file: no event comes through here.
"""

import asyncio
import signal
from contextlib import suppress
from functools import partial

import uvloop

from engine.cli.counting import count_in_store
from engine.cli.outputs import objections_of
from engine.cli.telling import tell_address
from engine.clock import SystemClock
from engine.ingress.server import address_of, listen
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.rules_state import ReloadState
from engine.operations.rules_watch import RulesWatch
from engine.settings import Settings
from engine.workers.answers import answers
from engine.workers.briefing import Briefing
from engine.workers.channel import Handler, NoAnswer
from engine.workers.figures import FiguresOfAll
from engine.workers.rules_of_all import RulesOfAll
from engine.workers.shadows import ShadowsOfAll
from engine.workers.sharing import ConnectionSharing
from engine.workers.supervisor import Supervisor

_KILL_AFTER_MS = 10_000
"""How much longer than its own two timeouts, for open requests and for events, a worker has to end."""


def serve_with_workers(settings: Settings, on_disk: RulesOnDisk, mark: str, state: ReloadState, *, demo: bool) -> int:
    """Serve until SIGTERM or SIGINT; 0 when every worker saw what it had taken to its end.

    `mark` and `state` are those of the rules to start with. Raises NotStarted where a worker cannot start at all.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_supervise(settings, on_disk, mark, state, demo=demo))


async def _supervise(settings: Settings, on_disk: RulesOnDisk, mark: str, state: ReloadState, *, demo: bool) -> int:
    clock, wanted = SystemClock(), settings.processor.workers
    handlers: dict[str, Handler] = {}
    with listen(settings.http.host, settings.http.port) as listening:
        address = address_of(listening)
        figures = FiguresOfAll(wanted, clock)

        def briefing(number: int) -> Briefing:
            return Briefing(number, settings, on_disk.directory, rules.carried, demo=demo and number == 1)

        supervisor = Supervisor(
            briefing,
            handlers,
            ConnectionSharing(listening),
            figures,
            clock,
            wanted,
            2 * settings.processor.shutdown_timeout_ms + _KILL_AFTER_MS,
        )
        rules = RulesOfAll(
            state.active.plan,
            state.active.contents,
            on_disk.directory,
            clock,
            supervisor.serving,
            supervisor.replace,
            figures.forget,
        )
        counted = partial(count_in_store, settings)
        reloader = Reloader(rules, on_disk, state, mark, settings.rules.last_good, counted, objections_of(settings))
        shadows = ShadowsOfAll(supervisor.serving)
        handlers.update(answers(supervisor, figures, reloader, shadows))
        watching = asyncio.create_task(_watch(settings, reloader, supervisor, shadows), name="rules watch")
        try:
            return await supervisor.run(partial(tell_address, address, demo=demo))
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _watch(settings: Settings, reloader: Reloader, supervisor: Supervisor, shadows: ShadowsOfAll) -> None:
    poll_ms = settings.rules.poll_ms if settings.rules.reload == "auto" else None
    watch = RulesWatch(reloader, SystemClock(), poll_ms=poll_ms, notices=settings.rules.watch)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    asked = asyncio.Event()

    def ask_for_rules() -> None:
        watch.ask()
        asked.set()

    loop.add_signal_handler(signal.SIGHUP, ask_for_rules)
    await asyncio.gather(watch.run(), _reload_shadows(asked, shadows))


async def _reload_shadows(asked: asyncio.Event, shadows: ShadowsOfAll) -> None:
    """Have all workers take up the rules in the shadow whenever that is asked for; where there are none, none answers."""
    while True:
        await asked.wait()
        asked.clear()
        with suppress(NoAnswer):
            await shadows.answer({"reload": True})
