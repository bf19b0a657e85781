"""`rulemill plan`: what a change of rules keeps, resets and runs side by side."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from engine.cli.counting import count_in_store
from engine.cli.rules_option import load_plan
from engine.errors import QuestionInvalid
from engine.operations.live_groups import LiveGroups
from engine.operations.plan_forms import Change, plan_as_json, plan_human, plan_markdown
from engine.rules.consequences import consequences
from engine.settings import Settings, load_settings

_FORMATS: Final = ("human", "json", "markdown")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("plan")
    parser.add_argument("--from", dest="old", type=Path, required=True, metavar="DIR", help="the rules as they are")
    parser.add_argument("--to", dest="new", type=Path, required=True, metavar="DIR", help="the rules as they are to be")
    parser.add_argument("--format", choices=_FORMATS, default="human", help="default: %(default)s")
    parser.add_argument(
        "--store", choices=("sqlite", "redis"), help="count the groups in this store; default: with --config, the settings' one"
    )
    parser.add_argument("--config", type=Path, help="settings, for the store; default: config.yaml where there is one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the consequences; 0 whatever they are, 1 for rules with errors.

    Raises QuestionInvalid where there is no store to count in, StoreUnavailable where it does not answer.
    """
    asked = arguments.store is not None or arguments.config is not None
    environ = os.environ if arguments.store is None else {**os.environ, "STATE_STORE": arguments.store}
    settings = load_settings(arguments.config, environ)
    old, new = (load_plan(argparse.Namespace(rules=path), settings) for path in (arguments.old, arguments.new))
    if old is None or new is None:
        return 1
    parts = consequences(old, new, arguments.old, arguments.new)
    live = asyncio.run(_count(settings, [part.state for part in parts if part.state])) if asked else {}
    _write(Change(old.id, new.id, str(arguments.old), str(arguments.new), parts, live), arguments.format)
    return 0


def _write(change: Change, form: str) -> None:
    if form == "json":
        sys.stdout.write(orjson.dumps(plan_as_json(change), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        sys.stdout.write(plan_human(change) if form == "human" else plan_markdown(change))


async def _count(settings: Settings, states: list[str]) -> Mapping[str, LiveGroups]:
    if settings.store == "memory":
        raise QuestionInvalid(
            f"store `{settings.store}` is in the service's own process; ask the service: `POST /rules/reload?dry_run=1`"
        )
    if settings.store == "sqlite" and not settings.sqlite.path.is_file():
        raise QuestionInvalid(
            f"there is no state at `{settings.sqlite.path}`, the settings' `sqlite.path`; leave out `--store` and `--config`"
        )
    return await count_in_store(settings, states)
