"""`rulemill explain`: why each filter acts on an event or does not, leaf by leaf."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import orjson

from engine.app import Limits, build_explainer, build_generation
from engine.cli.rules_option import add_rules_option, load_plan
from engine.clock import SystemClock
from engine.enrichment.pool import SourcePool
from engine.errors import QuestionInvalid
from engine.event import JsonObject
from engine.metrics import Counters
from engine.operations.explaining import EventExplanation
from engine.operations.explanation_forms import as_json, human
from engine.rules.given_file import read_given
from engine.rules.plan import Plan
from engine.settings import Settings, load_settings


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("explain")
    parser.add_argument("--event", required=True, metavar="FILE", help="one event as JSON; - is standard input")
    parser.add_argument("--given", type=Path, metavar="FILE", help="contexts by source, YAML or JSON; other sources are asked")
    parser.add_argument("--rule", metavar="ID", help="tell of this filter or aggregation alone")
    parser.add_argument(
        "--cost", action="store_true", help="say of each filter how many of its tests were looked at, and their weight"
    )
    parser.add_argument("--format", choices=("human", "json"), default="human", help="default: %(default)s")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    add_rules_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation; 0 whatever becomes of the event, 1 for rules with errors.

    Raises QuestionInvalid for a rule, a source or an event that is not there, OSError for a file that cannot be read.
    """
    settings = load_settings(arguments.config, os.environ)
    event = sys.stdin.buffer.read() if arguments.event == "-" else Path(arguments.event).read_bytes()
    given = {} if arguments.given is None else read_given(str(arguments.given), arguments.given.read_bytes())
    if _is_several(event):
        raise QuestionInvalid(f"`{arguments.event}` holds an array or several lines; give one event: one at a time is explained")
    plan = load_plan(arguments, settings)
    if plan is None:
        return 1
    found = asyncio.run(_explain(plan, settings, event, given, arguments.rule))
    if arguments.format == "json":
        sys.stdout.write(orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        sys.stdout.write(human(found, colour=sys.stdout.isatty(), costs=arguments.cost))
    return 0


async def _explain(
    plan: Plan, settings: Settings, event: bytes, given: dict[str, JsonObject | None], rule_id: str | None
) -> EventExplanation:
    clock, max_event_bytes = SystemClock(), settings.http.max_event_bytes
    generation = build_generation(
        plan, 1, clock, Counters(), Limits(event_bytes=max_event_bytes), SourcePool(clock, redis=settings.redis)
    )
    try:
        return await build_explainer(lambda: generation, clock, max_event_bytes).explain(event, given, rule_id)
    finally:
        await generation.close()


def _is_several(event: bytes) -> bool:
    """Whether these are lines of one event each, or an array: then the decoder would speak of broken JSON."""
    try:
        return isinstance(orjson.loads(event), list)
    except orjson.JSONDecodeError:
        return len([line for line in event.splitlines() if line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}")]) > 1
