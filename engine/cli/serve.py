"""`rulemill serve`: the service."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

import engine
from engine.app import SOURCE_KINDS, Limits, build_explainer, build_processor, build_statistics
from engine.cli.outputs import open_outputs
from engine.cli.rules_option import add_rules_option
from engine.clock import SystemClock, thread_busy_ns
from engine.errors import SettingsInvalid
from engine.ingress.access import access_policy
from engine.ingress.endpoints import Endpoint
from engine.ingress.explain_endpoint import explain_endpoints
from engine.ingress.http import create_app
from engine.ingress.queries import queries
from engine.ingress.server import address_of, listen, server_config
from engine.operations.activity import Activity
from engine.operations.demo_traffic import send_traffic
from engine.operations.explanation_forms import in_json
from engine.operations.logs import set_up_logs
from engine.operations.observe import LiveParts
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.rules_state import ReloadState
from engine.operations.rules_watch import RulesWatch
from engine.operations.service import DISABLED, EngineService
from engine.operations.snapshot import RulesLoad
from engine.operations.start import start_rules
from engine.pipeline.processor import Options, Processor
from engine.ports import RequestLimits, StateStore
from engine.settings import Settings, load_settings
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import SqliteStateStore

_DEMO_EVENTS_PER_SECOND = 40
_PACKAGED_RULES = Path(engine.__file__).parent / "defaults" / "rules"
_log = logging.getLogger("rulemill")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("serve", help="run the service")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    parser.add_argument("--host", help="where to listen; default: the settings' one")
    parser.add_argument("--port", type=int, help="0 is any free one; default: the settings' one")
    parser.add_argument("--workers", type=int, help="worker processes; one for now")
    parser.add_argument("--store", choices=("sqlite", "memory"), help="default: the settings' one")
    parser.add_argument("--demo", action="store_true", help="send sample traffic; without a rules directory, the default rules")
    add_rules_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0 when everything taken was seen to its end, 1 for rules with errors."""
    settings = _settings(arguments)
    set_up_logs(settings.log)
    if arguments.demo and arguments.rules is None and not settings.rules.path.exists():
        arguments.rules = _PACKAGED_RULES
    on_disk = RulesOnDisk(arguments.rules or settings.rules.path, os.environ, SOURCE_KINDS, SystemClock())
    mark, state, report = start_rules(on_disk, settings.rules.last_good, SystemClock().now_ms())
    if state is None:
        sys.stderr.write(report)
        return 1
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, _Rules(on_disk, mark, state), demo=arguments.demo))


def _settings(arguments: argparse.Namespace) -> Settings:
    overrides = {"HTTP_HOST": arguments.host, "HTTP_PORT": arguments.port, "STATE_STORE": arguments.store}
    overrides["EVENT_PROCESSOR_WORKERS"] = arguments.workers
    environ = {**os.environ, **{name: str(value) for name, value in overrides.items() if value is not None}}
    settings = load_settings(arguments.config, environ)
    if settings.processor.workers != 1:
        raise SettingsInvalid(
            f"processor.workers is {settings.processor.workers}; this version runs one worker a process: "
            "leave it at 1, and start more processes on ports of their own"
        )
    access_policy(settings.http)  # refused before anything is made or opened
    return settings


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the service starts with, and the mark of what the directory held then."""

    on_disk: RulesOnDisk
    mark: str
    state: ReloadState


async def _serve(settings: Settings, rules: _Rules, *, demo: bool) -> int:
    async with AsyncExitStack() as stack:
        socket = stack.enter_context(listen(settings.http.host, settings.http.port))
        parts = await stack.enter_async_context(_parts(settings, rules))
        server = _Server(_uvicorn_config(settings, parts.service, parts.endpoints))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        loop.add_signal_handler(signal.SIGHUP, parts.watch.ask)
        print(f"rulemill: listening on {address_of(socket)}", flush=True)
        if not settings.processor.enabled:
            _log.warning("%s", DISABLED)
            await server.serve(sockets=[socket])
            return 0
        stack.callback(asyncio.create_task(parts.activity.watch(), name="activity").cancel)
        running = asyncio.create_task(parts.processor.run(), name="processor")
        running.add_done_callback(lambda _: server.give_up())
        traffic = asyncio.create_task(send_traffic(parts.processor, _DEMO_EVENTS_PER_SECOND)) if demo else None
        await server.serve(sockets=[socket])
        if traffic is not None:
            traffic.cancel()
        return await _drain(parts.processor, running, settings.processor.shutdown_timeout_ms)


async def _drain(processor: Processor, running: "asyncio.Task[None]", timeout_ms: int) -> int:
    """See everything taken to its end; what is not there in time is left to be sent again."""
    processor.drain()
    done, _ = await asyncio.wait([running], timeout=timeout_ms / 1000)
    if done:
        running.result()
        return 0
    _log.warning("%d events had not ended after %d ms; their senders are told to send again", processor.in_flight(), timeout_ms)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    if kept := await processor.bury_the_rest():
        _log.warning("%d events that were answered as received are kept as dead letters; replay them", kept)
    return 0


@dataclass(frozen=True, slots=True)
class _Parts:
    processor: Processor
    service: EngineService
    endpoints: Sequence[Endpoint]
    watch: RulesWatch
    activity: Activity


@asynccontextmanager
async def _parts(settings: Settings, rules: _Rules) -> AsyncIterator[_Parts]:
    clock = SystemClock()
    outputs = await open_outputs(settings, rules.state.active.plan.ruleset)
    store = _store(settings, clock)
    event_limits = Limits(
        inbox_events=settings.processor.buffer_size,
        max_batch=settings.processor.max_batch,
        event_bytes=settings.http.max_event_bytes,
    )
    processor = build_processor(
        rules.state.active.plan,
        store=store,
        egress=outputs.egress,
        dead_letters=outputs.dead_letters,
        clock=clock,
        options=Options(ack_received=settings.ack == "received"),
        topic=settings.main_topic,
        limits=event_limits,
    )
    reloader = Reloader(processor, rules.on_disk, rules.state, rules.mark, settings.rules.last_good)
    poll_ms = settings.rules.poll_ms if settings.rules.reload == "auto" else None
    watch = RulesWatch(reloader, clock, poll_ms=poll_ms, notices=settings.rules.watch)
    watching = asyncio.create_task(watch.run(), name="rules watch")
    limits = RequestLimits(settings.http.max_body_bytes, settings.http.max_events, settings.http.max_bodies_bytes)
    explainer = build_explainer(lambda: processor.stages.intake.generation, clock, settings.http.max_event_bytes)
    activity = Activity(clock, thread_busy_ns, processor.stages.answers.ledger.total_ended)
    live = LiveParts(
        processor,
        activity,
        settings.store,
        settings.egress,
        outputs.problem,
        clock.now_ms(),
        rules_load=lambda: RulesLoad(rules.state.successful, rules.state.last_attempt_ms),
        reasons=rules.state.reasons,
    )
    endpoints = [*explain_endpoints(in_json(explainer), limits), *queries(build_statistics(live, store))]
    try:
        service = EngineService(live, limits, reloader, enabled=settings.processor.enabled)
        yield _Parts(processor, service, endpoints, watch, activity)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await reloader.close()
        await outputs.close()
        await store.close()


def _store(settings: Settings, clock: SystemClock) -> StateStore:
    if settings.store == "memory":
        return MemoryStateStore(clock, settings.memory.max_claims)
    return SqliteStateStore(settings.sqlite.path, clock, "FULL" if settings.sqlite.synchronous == "full" else "NORMAL")


def _uvicorn_config(settings: Settings, service: EngineService, endpoints: Sequence[Endpoint]) -> uvicorn.Config:
    app = create_app(service, endpoints, policy=access_policy(settings.http))
    return server_config(
        app, settings.http, max(1, settings.processor.shutdown_timeout_ms // 1000), access_log=settings.log.access
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to us: it is stopped by `stop`, and the process ends with the engine's own code."""

    def stop(self) -> None:
        """Take no more connections, and return from `serve` when the open requests are answered."""
        self.should_exit = True

    def give_up(self) -> None:
        """As `stop`, and leave open requests unanswered: there is nobody left to answer them."""
        self.should_exit = self.force_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
