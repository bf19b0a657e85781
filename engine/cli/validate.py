"""`rulemill validate`, also called `validate-rules`: all findings of a rules directory at once."""

import argparse
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from engine.cli.mending import diff, write
from engine.errors import RulemillError
from engine.rules.code_pages import document, page_of
from engine.rules.compiler import Loaded, check_rules
from engine.rules.diagnostics import CODES, Finding, did_you_mean, shown
from engine.rules.mending import Mended, mend
from engine.rules.reports import FORMS, Style, concise, human
from engine.rules.source_settings import BUILT_IN_SOURCES
from engine.rules.source_tables import table_findings

_DEFAULT_PATH = Path("rules")
_MAX_SHOWN: Final = 200
_ONLINE: Final = "engine.cli.online"
_Asked = Callable[[Sequence[Loaded], Path | None], list[Finding]]


class CodeUnknown(RulemillError):
    """`--explain` of something that is no code."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    add_arguments(commands.add_parser("validate"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes, under whatever name it was started."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a rules directory, or a file in one; default: rules")
    parser.add_argument("--format", choices=tuple(FORMS), default="human", help="default: %(default)s")
    parser.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="exit with 1 from this severity; default: %(default)s"
    )
    parser.add_argument(
        "--fix", action="store_true", help="mend in the files what can only be meant in one way; then report the rest"
    )
    parser.add_argument(
        "--diff", action="store_true", help="show what --fix would write, and write nothing; 1 where there is something"
    )
    parser.add_argument(
        "--explain", metavar="CODE", help="print what a code means, with examples, and end; `all` prints every page"
    )
    parser.add_argument(
        "--max-findings",
        type=_count,
        default=_MAX_SHOWN,
        metavar="N",
        help="show so many, errors first; 0: all; default: %(default)s",
    )
    parser.add_argument("--online", action="store_true", help="ask Kafka for the topics too, where the settings name it")
    parser.add_argument("--config", type=Path, help="settings for --online; default: config.yaml where there is one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings of all paths as one report; 1 where there are some at or above `--fail-on`.

    Raises RulesUnreadable, before anything is printed, where a path cannot be read, and CodeUnknown.
    """
    if arguments.explain:
        sys.stdout.write(_explanation(arguments.explain))
        return 0
    with _without_collector():
        return _validate(arguments)


@contextmanager
def _without_collector() -> Iterator[None]:
    """What is made of rules is kept to the end: to look for garbage among it takes a fifth of the time, and finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _validate(arguments: argparse.Namespace) -> int:
    directories = dict.fromkeys(_directory(path) for path in arguments.paths or [_DEFAULT_PATH])
    if arguments.fix or arguments.diff:
        return _mend([mend(directory, os.environ, BUILT_IN_SOURCES) for directory in directories], arguments)
    checked = [check_rules(directory, os.environ) for directory in directories]
    outside = _outside(checked)
    asked = _online(checked, arguments.config) if arguments.online else []
    findings = [*(finding for one in checked for finding in one.findings), *outside, *asked]
    sources = {file: text for one in checked for file, text in one.sources.items()}
    sys.stdout.write(_report(findings, sources, arguments))
    return _exit_code(findings, arguments.fail_on)


def _mend(mended: Sequence[Mended], arguments: argparse.Namespace) -> int:
    """Write what was mended, or show it; the report is about what is left."""
    if arguments.diff:
        lines = [line for one in mended for line in diff(one)]
        sys.stdout.write("".join(lines))
        return 1 if lines else 0
    for one in mended:
        write(one)
    loaded = [one.loaded for one in mended]
    findings = [*(finding for one in loaded for finding in one.findings), *_outside(loaded)]
    sources = {file: text for one in mended for file, text in one.loaded.sources.items()}
    edits, files = sum(one.edits for one in mended), sum(len(one.files) for one in mended)
    if edits:
        sys.stderr.write(f"mended {edits:,} finding{'s' * (edits != 1)} in {files:,} file{'s' * (files != 1)}\n")
    sys.stdout.write(_report(findings, sources, arguments))
    return _exit_code(findings, arguments.fail_on)


def _report(findings: Sequence[Finding], sources: dict[str, str], arguments: argparse.Namespace) -> str:
    if arguments.format not in {"human", "concise"}:
        return FORMS[arguments.format](findings, sources)
    terminal = sys.stdout.isatty()
    style = Style(
        colour=terminal and not os.environ.get("NO_COLOR"),
        width=shutil.get_terminal_size((160, 24)).columns if terminal else 160,
        most=arguments.max_findings or len(findings),
    )
    return (human if arguments.format == "human" else concise)(findings, sources, style)


def _explanation(code: str) -> str:
    if code == "all":
        return document()
    known = code.upper()
    if known not in CODES:
        advice = did_you_mean(known, CODES) or "`--explain all` prints every page"
        raise CodeUnknown(f"there is no code `{shown(code)}`; {advice}")
    return page_of(known).markdown()


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number; write 0 for all of them")
    return int(text)


def _online(checked: Sequence[Loaded], config: Path | None) -> list[Finding]:
    """What servers say of the rules. Their clients are loaded here, as nothing else needs them."""
    return cast("_Asked", import_module(_ONLINE).ask_servers)(checked, config)


def _outside(checked: Sequence[Loaded]) -> list[Finding]:
    """What files that rules name, and that are none of the rules, have wrong with them."""
    return [finding for one in checked if one.ruleset is not None for finding in table_findings(one.ruleset)]


def _directory(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _exit_code(findings: Iterable[Finding], severity: str) -> int:
    return 1 if any(severity == "warning" or finding.severity == "error" for finding in findings) else 0
