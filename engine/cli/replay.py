"""`rulemill replay`: recorded events through the rules, and what other rules would decide otherwise."""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Final, Never, cast

import orjson
from tqdm import tqdm

from engine.cli.ending import clear_up_at_sigterm
from engine.cli.rules_option import add_rules_option, load_plan
from engine.clock import SystemClock
from engine.enrichment.pool import SourcePool
from engine.errors import QuestionInvalid
from engine.event import JsonObject
from engine.replays.clock import ReplayClock
from engine.replays.lane import Enrichment, StoreMaker
from engine.replays.limit import Limit, parse_limit
from engine.replays.recording import Source, open_recording
from engine.replays.replay import Bounds, Replayed, replay
from engine.replays.report import Report, as_json
from engine.replays.text import human, markdown
from engine.rules.diagnostics import did_you_mean, shown
from engine.rules.durations import parse_duration
from engine.rules.given_file import read_given
from engine.rules.plan import Plan
from engine.rules.times import parse_time
from engine.settings import KafkaSettings, Settings, load_settings
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import PrivateSqliteStateStore

_FORMATS: Final = ("human", "json", "markdown")
_OpenRange = Callable[[KafkaSettings, str, int | None, int | None], AbstractContextManager[Source]]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("replay")
    parser.add_argument(
        "events",
        nargs="?",
        metavar="EVENTS",
        help="one event, record or dead letter a line, plain, gzip or Zstandard; - is standard input",
    )
    add_rules_option(parser)
    parser.add_argument(
        "--kafka", metavar="TOPIC", help="in place of EVENTS: what is on this topic, at the brokers of the settings"
    )
    parser.add_argument(
        "--from", dest="since", type=_time, metavar="T", help="of the topic from then on: `2026-03-02T09:00:00Z`, or `2h` ago"
    )
    parser.add_argument(
        "--to", dest="until", type=_time, metavar="T", help="of the topic before then; default: what is there now"
    )
    parser.add_argument("--against", type=Path, metavar="DIR", help="the rules to compare with, as they were before")
    parser.add_argument("--max-changed", type=_limit, metavar="N|P%", help="exit 1 where more decisions change: `25`, `0.5%%`")
    parser.add_argument("--format", choices=_FORMATS, default="human", help="default: %(default)s")
    parser.add_argument(
        "--samples", type=_count, default=3, metavar="N", help="events shown of each change; default: %(default)s"
    )
    parser.add_argument(
        "--groups",
        type=_count,
        default=20,
        metavar="N",
        help="changes shown, and windows of each aggregation; default: %(default)s",
    )
    parser.add_argument(
        "--enrichment",
        choices=("sources", "recorded"),
        default="sources",
        help="ask the rules' sources, or take what records of this engine have where they have it; default: %(default)s",
    )
    parser.add_argument("--given", type=Path, metavar="FILE", help="contexts by source, YAML or JSON; these are not asked")
    parser.add_argument(
        "--store", choices=("sqlite", "memory"), default="sqlite", help="ends with the replay; default: %(default)s"
    )
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay; 1 for rules with errors, and where more decisions changed than may.

    Raises QuestionInvalid for a recording that cannot be read to its end, OSError for one that is not there.
    """
    settings = load_settings(arguments.config, os.environ)
    _check_source(arguments)
    if arguments.max_changed is not None and arguments.against is None:
        raise QuestionInvalid("`--max-changed` says how much may change; give the rules to compare with: `--against DIR`")
    given = {} if arguments.given is None else read_given(str(arguments.given), arguments.given.read_bytes())
    new = load_plan(arguments, settings)
    old = None if arguments.against is None else load_plan(argparse.Namespace(rules=arguments.against), settings)
    if new is None or (old is None and arguments.against is not None):
        return 1
    clear_up_at_sigterm()
    _check_names(given, [plan for plan in (old, new) if plan is not None])
    gc.freeze()
    gc.disable()
    replayed = asyncio.run(_replay(arguments, settings, new, old, given))
    named = str(arguments.rules or settings.rules.path)
    report = Report(replayed, named, str(arguments.against or ""), arguments.groups, arguments.max_changed)
    _write(report, arguments.format)
    return 1 if report.exceeded else 0


async def _replay(
    arguments: argparse.Namespace, settings: Settings, new: Plan, old: Plan | None, given: Mapping[str, JsonObject | None]
) -> Replayed:
    enrichment = Enrichment(SourcePool(SystemClock()), given, arguments.enrichment == "recorded")
    bounds = Bounds(arguments.samples, arguments.groups)
    async with AsyncExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="rulemill-"))
        recording = stack.enter_context(_source(arguments, settings))
        bar = stack.enter_context(_progress(recording))
        make_store = _store_maker(arguments.store, Path(scratch))
        return await replay(recording, new, old, enrichment, make_store, bounds, lambda: _show(bar, recording))


def _store_maker(kind: str, scratch: Path) -> StoreMaker:
    made = 0

    def make(clock: ReplayClock) -> MemoryStateStore | PrivateSqliteStateStore:
        nonlocal made
        made += 1
        return MemoryStateStore(clock) if kind == "memory" else PrivateSqliteStateStore(scratch / f"state-{made}.db", clock)

    return make


def _check_source(arguments: argparse.Namespace) -> None:
    if (arguments.events is None) is (arguments.kafka is None):
        raise QuestionInvalid("give one recording: EVENTS, a file or `-` for standard input, or `--kafka TOPIC`")
    if arguments.kafka is None and (arguments.since, arguments.until) != (None, None):
        raise QuestionInvalid("`--from` and `--to` are of a topic; give one: `--kafka TOPIC`")


def _source(arguments: argparse.Namespace, settings: Settings) -> AbstractContextManager[Source]:
    if arguments.kafka is None:
        return open_recording(arguments.events)
    # Its client takes longer to load than most recordings take to replay.
    open_range = cast("_OpenRange", import_module("engine.replays.topic_range").TopicRange)
    return open_range(settings.kafka, arguments.kafka, arguments.since, arguments.until)


def _progress(source: Source) -> "tqdm[Never]":
    return tqdm(total=source.total, unit=source.unit, unit_scale=True, disable=not sys.stderr.isatty(), leave=False)


def _show(bar: "tqdm[Never]", source: Source) -> None:
    if not bar.disable:
        bar.update(source.position - bar.n)


def _check_names(given: Mapping[str, JsonObject | None], plans: list[Plan]) -> None:
    known = list(dict.fromkeys(name for plan in plans for name in plan.ruleset.enrichment.sources))
    for name in given:
        if name not in known:
            advice = did_you_mean(name, known)
            raise QuestionInvalid(f"there is no source `{shown(name)}`" + (f"; {advice}" if advice else ""))


def _write(report: Report, form: str) -> None:
    if form == "json":
        sys.stdout.write(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        sys.stdout.write(human(report) if form == "human" else markdown(report))


def _time(text: str) -> int:
    ago_ms = parse_duration(text)
    at_ms = parse_time(text) if ago_ms is None else SystemClock().now_ms() - ago_ms
    if at_ms is None:
        raise argparse.ArgumentTypeError(f"`{shown(text)}` is no time; write `2026-03-02T09:00:00Z`, or how long ago: `2h`")
    return at_ms


def _limit(text: str) -> Limit:
    try:
        return parse_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise argparse.ArgumentTypeError(f"`{text}` is no number; write a whole one from 0 to 999999")
    return int(text)
