"""`rulemill serve`: the service."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

import engine
from engine.app import Limits, build_processor
from engine.cli.rules_option import add_rules_option, load_plan
from engine.clock import SystemClock
from engine.egress.dead_letter import FileDeadLetters
from engine.egress.file import FileEgress
from engine.errors import SettingsInvalid
from engine.ingress.access import access_policy
from engine.ingress.http import create_app
from engine.ingress.server import address_of, listen, server_config
from engine.operations.demo_traffic import send_traffic
from engine.operations.service import EngineService
from engine.pipeline.processor import Options, Processor
from engine.ports import RequestLimits, StateStore
from engine.rules.plan import Plan
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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = _settings(arguments)
    if arguments.demo and arguments.rules is None and not settings.rules.path.exists():
        arguments.rules = _PACKAGED_RULES
    plan = load_plan(arguments, settings)
    if plan is None:
        return 1
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, plan, demo=arguments.demo))


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
    if not settings.processor.enabled:
        raise SettingsInvalid("processor.enabled is false (EVENT_PROCESSOR_ENABLED): there is nothing to serve")
    access_policy(settings.http)  # refused before anything is made or opened
    return settings


async def _serve(settings: Settings, plan: Plan, *, demo: bool) -> int:
    async with AsyncExitStack() as stack:
        socket = stack.enter_context(listen(settings.http.host, settings.http.port))
        parts = await stack.enter_async_context(_parts(settings, plan))
        server = _Server(_uvicorn_config(settings, parts.service))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        print(f"rulemill: listening on {address_of(socket)}", flush=True)
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


@asynccontextmanager
async def _parts(settings: Settings, plan: Plan) -> AsyncIterator[_Parts]:
    clock = SystemClock()
    store = _store(settings, clock)
    egress = FileEgress(lambda topic: settings.file.path / f"{topic}.ndjson", fsync=settings.file.fsync)
    dead_letters = FileDeadLetters(settings.dead_letters.path, fsync=settings.file.fsync)
    processor = build_processor(
        plan,
        store=store,
        egress=egress,
        dead_letters=dead_letters,
        clock=clock,
        options=Options(ack_received=settings.ack == "received"),
        topic=settings.topic,
        limits=Limits(
            inbox_events=settings.processor.buffer_size,
            max_batch=settings.processor.max_batch,
            event_bytes=settings.http.max_event_bytes,
        ),
    )
    limits = RequestLimits(settings.http.max_body_bytes, settings.http.max_events, settings.http.max_bodies_bytes)
    names: dict[str, object] = {"store": settings.store, "egress": settings.egress}
    try:
        yield _Parts(processor, EngineService(processor, limits, names, lambda: egress.problem))
    finally:
        await egress.close()
        await dead_letters.close()
        await store.close()


def _store(settings: Settings, clock: SystemClock) -> StateStore:
    if settings.store == "memory":
        return MemoryStateStore(clock, settings.memory.max_claims)
    return SqliteStateStore(settings.sqlite.path, clock, "FULL" if settings.sqlite.synchronous == "full" else "NORMAL")


def _uvicorn_config(settings: Settings, service: EngineService) -> uvicorn.Config:
    app = create_app(service, policy=access_policy(settings.http))
    return server_config(app, settings.http, max(1, settings.processor.shutdown_timeout_ms // 1000))


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
