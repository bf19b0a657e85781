"""`rulemill process`: the same pipeline over a file or standard input, for backfills and trials."""

import argparse
import asyncio
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import orjson

from engine.app import Limits, build_pool, build_processor
from engine.cli.ending import Interrupted, clear_up_at_sigterm
from engine.cli.outputs import open_outputs
from engine.cli.process_outputs import begin_outputs, letters_path, topic_paths
from engine.cli.rules_option import add_rules_option, load_plan
from engine.clock import SystemClock
from engine.egress.dead_letter import FileDeadLetters
from engine.egress.file import FileEgress
from engine.egress.nowhere import Nowhere
from engine.errors import QuestionInvalid
from engine.operations.feed import Feed
from engine.operations.lines import LINES
from engine.operations.summary import summary, write_aggregates
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.ports import DeadLetters, Egress, StateStore
from engine.rules.plan import Plan
from engine.settings import Settings, load_settings
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import PrivateSqliteStateStore, SqliteStateStore

_GATHER_EVENTS = 50_000
_MAX_BATCHES = 2
# Nobody else can take over from a run whose state is its own: it may be stopped for hours and go on.
_PRIVATE_LEASE = LeaseTimes(lease_ms=30 * 86_400_000, renew_ms=3_600_000)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("process")
    parser.add_argument("events", metavar="IN.ndjson", help="one event a line; - is standard input")
    parser.add_argument("--out", type=Path, metavar="OUT.ndjson", help="where records go; other topics beside it")
    parser.add_argument(
        "--egress", choices=("kafka",), help="send records to Kafka instead, as the settings say; dead letters too"
    )
    parser.add_argument("--aggregates", type=Path, metavar="A.ndjson", help="one line for each group and window")
    parser.add_argument("--summary", type=Path, metavar="S.json", help="the counts of the run")
    parser.add_argument("--dead-letters", type=Path, metavar="D.ndjson", help="default: OUT.dead-letters.ndjson")
    parser.add_argument("--store", choices=("sqlite", "memory"), default="sqlite", help="default: %(default)s")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the SQLite state here, and go on from it")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    add_rules_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Process the file; 0 when every event has ended."""
    settings = load_settings(arguments.config, os.environ)
    if arguments.egress is not None:
        if arguments.out is not None:
            raise QuestionInvalid("`--out` and `--egress kafka` are two places for the same records; give one of them")
        settings = settings.model_copy(update={"egress": arguments.egress})
    plan = load_plan(arguments, settings)
    if plan is None:
        return 1
    if arguments.events != "-" and not Path(arguments.events).exists():
        raise QuestionInvalid(f"there is no file `{arguments.events}`")
    begin_outputs(arguments, plan.ruleset, settings.topic)
    clear_up_at_sigterm()
    gc.freeze()
    gc.disable()
    asyncio.run(_process(arguments, settings, plan))
    return 0


def run_options(*, state_is_kept: bool) -> Options:
    """How much a run does at once, and how long its lease is; with state that is kept, another run may have to take over."""
    lease = LeaseTimes() if state_is_kept else _PRIVATE_LEASE
    return Options(_MAX_BATCHES, _GATHER_EVENTS, live=False, lease=lease)


async def _process(arguments: argparse.Namespace, settings: Settings, plan: Plan) -> None:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_store(arguments))
        egress, dead_letters = await _outputs(arguments, settings, plan, stack)
        pool = build_pool(settings, SystemClock())
        stack.push_async_callback(pool.close)
        processor = build_processor(
            plan,
            store=store,
            egress=egress,
            dead_letters=dead_letters,
            clock=SystemClock(),
            options=run_options(state_is_kept=arguments.state is not None),
            topic=settings.main_topic if arguments.egress else settings.topic,
            limits=Limits.of_feed(LINES),
            pool=pool,
        )
        stack.push_async_callback(processor.stages.intake.generation.close)
        started_s = time.perf_counter()
        feed = Feed(processor, dead_letters, arguments.events, plan.id)
        with _told_to_end(feed) as told:
            await _feed(processor, feed, closes_windows=arguments.state is None)
        if told:
            raise Interrupted(told[0])
        with _named("aggregates", arguments.aggregates):
            groups = await write_aggregates(plan, store, arguments.aggregates)
        seconds = time.perf_counter() - started_s
        counts = summary(processor, plan, groups, feed, _forgotten(store), seconds)
        with _named("summary", arguments.summary):
            _report(arguments, counts)


async def _outputs(
    arguments: argparse.Namespace, settings: Settings, plan: Plan, stack: AsyncExitStack
) -> tuple[Egress, DeadLetters]:
    """Where records and dead letters go; both are closed with the stack."""
    path = letters_path(arguments)
    dead_letters = FileDeadLetters(path, fsync=False) if path else Nowhere()
    stack.push_async_callback(dead_letters.close)
    if arguments.egress is not None:
        outputs = await open_outputs(settings, plan.ruleset)
        stack.push_async_callback(outputs.close)
        return outputs.egress, dead_letters if path else outputs.dead_letters
    egress = _files(arguments.out, settings.topic) if arguments.out else Nowhere()
    stack.push_async_callback(egress.close)
    return egress, dead_letters


def _files(out: Path, main_topic: str) -> FileEgress:
    return FileEgress(topic_paths(out, main_topic), fsync=False, at_once=True)


@contextmanager
def _told_to_end(feed: Feed) -> Iterator[list[int]]:
    """Have Ctrl-C or SIGTERM stop the feed, so that what was read ends as it should; a second one ends the command at once.

    The list has the number of the signal, once there was one. A signal that is ignored stays so.
    """
    told: list[int] = []
    loop = asyncio.get_running_loop()
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]

    def leave_alone() -> None:
        for number in heard:
            loop.remove_signal_handler(number)
        clear_up_at_sigterm()

    def stop(number: int) -> None:
        leave_alone()
        told.append(number)
        feed.stop()
        print("rulemill: what was read is seen to its end; told once more, it ends at once", file=sys.stderr)

    for number in heard:
        loop.add_signal_handler(number, stop, number)
    try:
        yield told
    finally:
        leave_alone()


async def _feed(processor: Processor, feed: Feed, *, closes_windows: bool) -> None:
    """Return when the input has ended; where no other run goes on from this one, its last windows end with it.

    What fails first ends both, before anything that they use is closed.
    """
    running, feeding = asyncio.create_task(processor.run()), asyncio.create_task(feed.run())
    try:
        await asyncio.wait((running, feeding), return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
            if closes_windows and not feed.stopped:
                processor.close_windows()
            processor.drain()
        await running
    finally:
        running.cancel()
        feeding.cancel()
        await asyncio.wait((running, feeding))


@contextmanager
def _named(what: str, path: Path | None) -> Iterator[None]:
    """Say of a file that cannot be written to its end which one it is."""
    try:
        yield
    except OSError as error:
        if path is None:
            raise
        raise QuestionInvalid(f"the {what} cannot be written to `{path}`: {error.strerror}") from error


@asynccontextmanager
async def _store(arguments: argparse.Namespace) -> AsyncIterator[StateStore]:
    """The run's state: in memory, in a file that is kept, or in one that goes with the run."""
    store: StateStore
    with tempfile.TemporaryDirectory(prefix="rulemill-") as scratch:
        if arguments.store == "memory":
            store = MemoryStateStore(SystemClock())
        else:
            clock = SystemClock()
            kept = arguments.state is not None
            store = (
                SqliteStateStore(arguments.state, clock) if kept else PrivateSqliteStateStore(Path(scratch) / "state.db", clock)
            )
        try:
            yield store
        finally:
            await store.close()


def _forgotten(store: StateStore) -> int:
    return store.claims_forgotten if isinstance(store, MemoryStateStore) else 0


def _report(arguments: argparse.Namespace, counts: dict[str, object]) -> None:
    text = orjson.dumps(counts, option=orjson.OPT_INDENT_2).decode()
    if arguments.summary is not None:
        arguments.summary.write_text(text + "\n", encoding="utf-8")
    else:
        sys.stdout.write(text + "\n")
