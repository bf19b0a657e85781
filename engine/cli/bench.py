"""`rulemill bench`: how much the service takes on this machine, and what that costs."""

import argparse
import asyncio
import json
import os
import platform
import secrets
import shlex
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import engine
from engine.app import SOURCE_KINDS
from engine.bench.measuring import Figures, Meter, Reloading, medians
from engine.bench.open_loop import MAX_CONNECTIONS
from engine.bench.report import stages_table, table
from engine.bench.rules_copy import RulesCopy
from engine.bench.stages import profile
from engine.bench.started import Address, started
from engine.bench.usage import machine
from engine.cli.ending import clear_up_at_sigterm
from engine.cli.numbers import above_zero
from engine.cli.rules_option import add_rules_option
from engine.errors import QuestionInvalid
from engine.rules.compiler import compile_rules

_PACKAGED_RULES = Path(engine.__file__).parent / "defaults" / "rules"
_RELOAD_EVERY_S = 0.5
_STAGES_BATCH = 500


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("bench")
    parser.add_argument(
        "--batch", type=_numbers, default=[1, 10, 100, 1000], metavar="N,N", help="events in a request; default: 1,10,100,1000"
    )
    parser.add_argument("--workers", type=_numbers, default=[1], metavar="N,N", help="worker processes; default: 1")
    parser.add_argument(
        "--rate", type=above_zero, help="events a second for the latencies; default: half of what is taken at most"
    )
    parser.add_argument("--seconds", type=above_zero, default=2.0, help="of each run; default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="of which the medians are shown; default: %(default)s")
    parser.add_argument(
        "--connections", type=int, default=256, help=f"requests at the same time, up to {MAX_CONNECTIONS}; default: %(default)s"
    )
    parser.add_argument("--store", choices=("sqlite", "redis", "memory"), default="sqlite", help="default: %(default)s")
    parser.add_argument("--egress", choices=("file", "kafka"), default="file", help="default: %(default)s")
    parser.add_argument(
        "--pid", action="append", default=[], metavar="NAME=PID", help="a server whose processor time counts: redis, kafka"
    )
    parser.add_argument("--reload", action="store_true", help="and latencies while the rules are changed twice a second")
    parser.add_argument(
        "--filters", type=_numbers, default=[], metavar="N,N", help="the profile of the stages with so many more filters as well"
    )
    parser.add_argument(
        "--stages",
        type=int,
        default=20_000,
        metavar="N",
        help="events for the profile of the stages; 0 is none; default: %(default)s",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    add_rules_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 for rules with errors."""
    if not 1 <= arguments.connections <= MAX_CONNECTIONS or arguments.runs < 1:
        raise QuestionInvalid(f"`--connections` goes from 1 to {MAX_CONNECTIONS}, and `--runs` begins at 1")
    clear_up_at_sigterm()
    found: dict[str, object] = {
        "command": shlex.join(["rulemill", "bench", *(word for word in sys.argv[1:] if word != "bench")]),
        "version": engine.__version__,
        "machine": {"system": platform.platform(), "python": platform.python_version(), **machine()},
    }
    print(f"{found['command']}\n{found['machine']}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="rulemill-bench-") as place:
        if arguments.stages:
            _tell("the stages")
            found["stages"] = by_filters = {number: _stages(arguments, Path(place), number) for number in [0, *arguments.filters]}
            print(stages_table(by_filters), flush=True)
        cells: list[Mapping[str, object]] = []
        for workers in arguments.workers:
            cells += _cells(arguments, Path(place), workers)
    found["cells"] = cells
    print(table(cells))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _cells(arguments: argparse.Namespace, place: Path, workers: int) -> Iterator[Mapping[str, object]]:
    """Each batch on a service of its own, and the last of them once more with reloads where that is asked for."""
    others = _pids(arguments.pid)
    what = f"{arguments.store}+{arguments.egress}, {workers} worker{'s' if workers > 1 else ''}"
    for batch in arguments.batch:
        _tell(f"{what}, {batch} events a request")
        here = place / f"{workers}-{batch}"
        rules = RulesCopy(_rules(arguments), here / "rules")
        with started(here / "run", rules.directory, _variables(arguments, workers)) as address:
            meter = Meter(
                address, others, seconds=arguments.seconds, connections=arguments.connections, seed=secrets.randbits(32)
            )
            cell = _cell(meter, arguments, batch)
            yield {"what": what, "batch": batch, **cell}
            if arguments.reload and batch == arguments.batch[-1]:
                _tell(f"{what}, reloads")
                reloading = Reloading(partial(_reload, rules, address), _RELOAD_EVERY_S)
                runs = [meter.run(cell["offered"], batch, reloading) for _ in range(arguments.runs)]
                yield {"what": f"{what}, reloads", "batch": batch, **medians(runs), "reloads": reloading.number}


def _tell(what: str) -> None:
    """A word for who waits: a figure takes a minute or so."""
    print(f"measuring: {what} …", file=sys.stderr, flush=True)


def _cell(meter: Meter, arguments: argparse.Namespace, batch: int) -> Figures:
    idle = meter.idle()
    highest = [meter.climb(batch)]
    while len(highest) < arguments.runs:
        highest.append(meter.climb(batch, highest[0]["events_per_second"] * 0.6))
    most = medians(highest)
    rate = arguments.rate or most["events_per_second"] / 2
    steady = medians([meter.run(rate, batch) for _ in range(arguments.runs)])
    return {**{f"max_{name}": value for name, value in most.items()}, **idle, **steady}


def _reload(rules: RulesCopy, address: Address, number: int) -> None:
    rules.add_filters(1, number)
    request = urllib.request.Request(f"http://{address.host}:{address.port}/rules/reload", method="POST")
    with urllib.request.urlopen(request) as response:  # noqa: S310 - to the service started here
        response.read()


def _stages(arguments: argparse.Namespace, place: Path, filters: int) -> dict[str, float]:
    rules = RulesCopy(_rules(arguments), place / f"stages-{filters}")
    rules.add_filters(filters)
    plan = compile_rules(rules.directory, os.environ, SOURCE_KINDS).plan
    if plan is None:
        raise QuestionInvalid(f"the rules of `{_rules(arguments)}` have errors; `rulemill validate` says which")
    asyncio.run(profile(plan, arguments.stages // 4 + 1, _STAGES_BATCH))  # the first run warms caches up
    return medians([asyncio.run(profile(plan, arguments.stages, _STAGES_BATCH)) for _ in range(arguments.runs)])


def _variables(arguments: argparse.Namespace, workers: int) -> dict[str, str]:
    """The settings of a service; what it keeps elsewhere has names that nothing else has."""
    own = f"bench-{secrets.token_hex(4)}"
    variables = {"STATE_STORE": arguments.store, "EVENT_EGRESS": arguments.egress, "EVENT_PROCESSOR_WORKERS": str(workers)}
    return {**variables, "REDIS_PREFIX": own, "LOG_LEVEL": "warning"}


def _rules(arguments: argparse.Namespace) -> Path:
    given: Path = arguments.rules or Path("rules")
    return given if arguments.rules or given.exists() else _PACKAGED_RULES


def _pids(texts: list[str]) -> dict[str, int]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, _, pid) in zip(texts, pairs, strict=True) if not pid.isdigit()]:
        raise QuestionInvalid(f"`--pid {wrong[0]}`: write a name and a number, as in `--pid redis=1234`")
    return {name: int(pid) for name, _, pid in pairs}


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no list of numbers; write `1,10,100`")
    return numbers
