"""`rulemill serve`: the service."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import socket

import uvloop

import engine
from engine.app import SOURCE_KINDS, build_explainer, build_pool, build_processor, build_statistics, limits_of
from engine.cli.numbers import whole
from engine.cli.outputs import objections_of, open_outputs
from engine.cli.rules_option import add_rules_option
from engine.cli.serve_workers import serve_with_workers
from engine.cli.telling import tell_address
from engine.clock import SystemClock, thread_busy_ns
from engine.errors import SettingsInvalid
from engine.ingress.access import access_policy
from engine.ingress.endpoints import Endpoint
from engine.ingress.explain_endpoint import explain_endpoints
from engine.ingress.http import create_app
from engine.ingress.queries import queries
from engine.ingress.request_body import BodyBudget
from engine.ingress.server import Server, ServerConfig, address_of, listen, server_config
from engine.ingress.shadow_endpoints import shadow_endpoints
from engine.operations.activity import Activity
from engine.operations.demo_traffic import send_traffic
from engine.operations.explanation_forms import in_json
from engine.operations.in_service import OneProcess
from engine.operations.live_groups import count_states
from engine.operations.logs import set_up_logs
from engine.operations.objections import Objections, no_objections
from engine.operations.observe import LiveParts
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.rules_state import ReloadState
from engine.operations.rules_watch import RulesWatch
from engine.operations.service import DISABLED, EngineService
from engine.operations.shadow import ShadowRules
from engine.operations.snapshot import RulesLoad
from engine.operations.start import start_rules
from engine.operations.witness import Witness
from engine.pipeline.onlookers import Onlookers
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.ports import RequestLimits, StateStore
from engine.settings import HttpSettings, Settings, read_settings, servers_left_aside
from engine.state.memory import MemoryStateStore
from engine.state.opening import open_store
from engine.workers.member import Membership

_DEMO_CROWDS = 2
_SWITCH_S = 0.0005
"""Rules are compiled in a thread beside the events; with the usual 5 ms these would wait that long at each of their turns."""
_COLLECTOR = (50_000, 10, 10)
"""Objects of about as many events as may wait; with Python's 700 the collector looks at each of those several times on its way."""
_PACKAGED_RULES = Path(engine.__file__).parent / "defaults" / "rules"
_log = logging.getLogger("rulemill")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("serve")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    parser.add_argument("--host", help="where to listen; default: the settings' one")
    parser.add_argument("--port", type=whole(0, 65_535), help="0 is any free one; default: the settings' one")
    parser.add_argument("--workers", type=whole(1, 256), help="worker processes; default: the settings' number")
    parser.add_argument("--store", choices=("sqlite", "redis", "memory"), help="default: the settings' one")
    parser.add_argument("--demo", action="store_true", help="send sample traffic; without a rules directory, the default rules")
    add_rules_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0 when everything taken was seen to its end, 1 for rules with errors."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the rules are about to be read
    settings, left_aside = _settings(arguments)
    set_up_logs(settings.log)
    for what in left_aside:
        _log.warning("%s", what)
    if arguments.demo and arguments.rules is None and not settings.rules.path.exists():
        arguments.rules = _PACKAGED_RULES
    on_disk = RulesOnDisk(arguments.rules or settings.rules.path, os.environ, SOURCE_KINDS, SystemClock())
    mark, state, report = start_rules(on_disk, settings.rules.last_good, SystemClock().now_ms())
    if state is None:
        sys.stderr.write(report)
        return 1
    if settings.processor.workers > 1:
        return serve_with_workers(settings, on_disk, mark, state, demo=arguments.demo)
    sys.setswitchinterval(_SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, Rules(on_disk, mark, state), demo=arguments.demo))


def _settings(arguments: argparse.Namespace) -> tuple[Settings, list[str]]:
    """The settings, and what is to be said of servers that they name and leave aside."""
    overrides = {"HTTP_HOST": arguments.host, "HTTP_PORT": arguments.port, "STATE_STORE": arguments.store}
    overrides["EVENT_PROCESSOR_WORKERS"] = arguments.workers
    environ = {**os.environ, **{name: str(value) for name, value in overrides.items() if value is not None}}
    settings, origins = read_settings(arguments.config, environ)
    if settings.processor.workers > 1 and settings.store == "memory":
        raise SettingsInvalid(
            f"`processor.workers` is {settings.processor.workers} and `store` is `memory`, which no two processes can share, so that none "
            "would know what another has taken; set `store: sqlite` (STATE_STORE), or `processor.workers: 1` (EVENT_PROCESSOR_WORKERS)"
        )
    access_policy(settings.http)  # refused before anything is made or opened
    return settings, servers_left_aside(settings, origins)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service starts with, and the mark of what the directory held then."""

    on_disk: RulesOnDisk
    mark: str
    state: ReloadState


async def _serve(settings: Settings, rules: Rules, *, demo: bool) -> int:
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(listen(settings.http.host, settings.http.port))
        parts = await stack.enter_async_context(open_parts(settings, rules))
        server = Server(uvicorn_config(settings, parts))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        loop.add_signal_handler(signal.SIGHUP, parts.ask_for_rules)
        tell_address(address_of(listening), demo=demo)
        return await run_engine(settings, parts, server, [listening], demo=demo)


async def run_engine(settings: Settings, parts: "Parts", server: Server, sockets: list[socket], *, demo: bool) -> int:
    """Serve until the server is stopped, then see everything taken to its end."""
    _keep_collector_away()
    if not settings.processor.enabled:
        _log.warning("%s", DISABLED)
        await server.serve(sockets=sockets)
        return 0
    parts.kept.append(server.kept)
    watching = asyncio.create_task(parts.activity.watch(), name="activity")
    running = asyncio.create_task(parts.processor.run(), name="processor")
    running.add_done_callback(lambda _: server.give_up())
    traffic = asyncio.create_task(send_traffic(parts.processor, _DEMO_CROWDS)) if demo else None
    await server.serve(sockets=sockets)
    watching.cancel()
    if traffic is not None:
        traffic.cancel()
    await _drain(parts.processor, running, settings.processor.shutdown_timeout_ms)
    await server.part()
    return 0


def _keep_collector_away() -> None:
    """What is there by now stays; the collector of cycles need not look at it again, and seldom at what events are made of."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)


async def _drain(processor: Processor, running: "asyncio.Task[None]", timeout_ms: int) -> None:
    """See everything taken to its end; what is not there in time is left to be sent again."""
    processor.drain()
    done, _ = await asyncio.wait([running], timeout=timeout_ms / 1000)
    if done:
        running.result()
        return
    in_flight = processor.in_flight()
    if deferred := len(processor.stages.deferred):
        _log.warning(
            "%d events are out and could not be claimed or counted: the store was away; copies of them will be new", deferred
        )
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    kept = await processor.bury_the_rest()
    if in_flight > kept:
        _log.warning("%d events had not ended after %d ms; their senders are told to send again", in_flight - kept, timeout_ms)
    if kept:
        _log.warning("%d events that were answered as received are kept as dead letters; replay them", kept)


@dataclass(frozen=True, slots=True)
class Parts:
    """One worker's parts, wired together. `kept` are asked for what `live.kept` says; the server adds itself."""

    processor: Processor
    service: EngineService
    endpoints: Sequence[Endpoint]
    watches: Sequence[RulesWatch]
    activity: Activity
    live: LiveParts
    reloader: Reloader
    witness: Witness
    shadow: ShadowRules | None
    bodies: BodyBudget
    kept: list[Callable[[], dict[str, int]]]

    def ask_for_rules(self) -> None:
        """Have every rules directory taken up, whatever the settings say of when."""
        for watch in self.watches:
            watch.ask()


@asynccontextmanager
async def open_parts(settings: Settings, rules: Rules, member: Membership | None = None) -> AsyncIterator[Parts]:
    """All of one worker; of several, where it is a `member`. What is opened is closed at the end."""
    clock = SystemClock()
    outputs = await open_outputs(settings, rules.state.active.plan.ruleset)
    store = await open_store(settings, clock)
    pool = build_pool(settings, clock)
    onlookers = Onlookers()
    processor = build_processor(
        rules.state.active.plan,
        store=store,
        egress=outputs.egress,
        dead_letters=outputs.dead_letters,
        clock=clock,
        options=Options(ack_received=settings.ack == "received", lease=LeaseTimes.of(settings.processor.lease_ms)),
        topic=settings.main_topic,
        limits=limits_of(settings),
        pool=pool,
        onlookers=onlookers,
    )
    objections = objections_of(settings) if member is None else no_objections  # of several workers the supervisor asks
    reloader = _reloader(settings, rules, processor, store, objections)
    poll_ms = settings.rules.poll_ms if settings.rules.reload == "auto" else None
    watch = RulesWatch(reloader, clock, poll_ms=poll_ms if member is None else None, notices=settings.rules.watch)
    limits = _request_limits(settings.http)
    shadow = _shadow(settings, clock, onlookers)
    watches = [watch] if shadow is None else [watch, RulesWatch(shadow, clock, poll_ms=poll_ms, notices=settings.rules.watch)]
    watching = [asyncio.create_task(each.run(), name="rules watch") for each in watches]
    explainer = build_explainer(lambda: processor.stages.intake.generation, clock, settings.http.max_event_bytes)
    activity = Activity(clock, thread_busy_ns, processor.stages.answers.ledger.total_ended)
    bodies = BodyBudget(limits.max_bodies_bytes)
    kept = [part.kept for part in (pool, bodies, shadow) if part is not None]
    kept += [store.kept] if isinstance(store, MemoryStateStore) else []
    live = LiveParts(
        processor,
        activity,
        settings.store,
        settings.egress,
        outputs.problem,
        clock.now_ms(),
        rules_load=lambda: RulesLoad(rules.state.successful, rules.state.last_attempt_ms),
        reasons=rules.state.reasons,
        shadow=dict if shadow is None else shadow.figures,
        claims_forgotten=lambda: store.claims_forgotten if isinstance(store, MemoryStateStore) else 0,
        kept=lambda: dict(ChainMap(*(part() for part in kept))),
    )
    of_all = None if member is None else member.snapshot
    endpoints = [*explain_endpoints(in_json(explainer), limits), *queries(build_statistics(live, store, of_all))]
    endpoints += [] if shadow is None else shadow_endpoints(shadow.answer if member is None else member.shadow)
    try:
        service = EngineService(live, limits, member or reloader, enabled=settings.processor.enabled, snapshot=of_all)
        yield Parts(processor, service, endpoints, watches, activity, live, reloader, Witness(onlookers), shadow, bodies, kept)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await reloader.close()
        await pool.close()
        await outputs.close()
        await store.close()


def _reloader(settings: Settings, rules: Rules, processor: Processor, store: StateStore, objections: Objections) -> Reloader:
    in_service, counted = OneProcess(processor), partial(count_states, store)
    return Reloader(in_service, rules.on_disk, rules.state, rules.mark, settings.rules.last_good, counted, objections)


def _request_limits(http: HttpSettings) -> RequestLimits:
    return RequestLimits(http.max_body_bytes, http.max_events, http.max_bodies_bytes, http.max_explained)


def _shadow(settings: Settings, clock: SystemClock, onlookers: Onlookers) -> ShadowRules | None:
    """The rules that are tried beside those in service, where the settings name a directory of them."""
    if settings.rules.shadow is None:
        return None
    on_disk = RulesOnDisk(settings.rules.shadow, os.environ, SOURCE_KINDS, clock)
    shadow = ShadowRules(on_disk, clock, onlookers, settings.processor.remembered_texts)
    shadow.start()
    return shadow


def uvicorn_config(settings: Settings, parts: Parts) -> ServerConfig:
    """How uvicorn serves one worker."""
    app = create_app(parts.service, parts.endpoints, access_policy(settings.http), parts.witness, parts.bodies)
    return server_config(app, settings.http, settings.processor.shutdown_timeout_ms / 1000, access_log=settings.log.access)
