"""`rulemill validate`, also called `validate-rules`: all findings of a rules directory at once."""

import argparse
import os
import sys
from pathlib import Path

from engine.rules.compiler import Compiled, compile_rules
from engine.rules.reports import FORMS

_DEFAULT_PATH = Path("rules")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("validate")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a rules directory, or a file in one; default: rules")
    parser.add_argument("--format", choices=tuple(FORMS), default="human", help="default: %(default)s")
    parser.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="exit with 1 from this severity; default: %(default)s"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings of all paths as one report; 1 where there are some at or above `--fail-on`.

    Raises RulesUnreadable, before anything is printed, where a path cannot be read.
    """
    directories = dict.fromkeys(_directory(path) for path in arguments.paths or [_DEFAULT_PATH])
    compiled = [compile_rules(directory, os.environ) for directory in directories]
    findings = [finding for one in compiled for finding in one.findings]
    sources = {file: text for one in compiled for file, text in one.sources.items()}
    sys.stdout.write(FORMS[arguments.format](findings, sources))
    return 1 if any(_fails(one, arguments.fail_on) for one in compiled) else 0


def _directory(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _fails(compiled: Compiled, severity: str) -> bool:
    return bool(compiled.findings) if severity == "warning" else compiled.plan is None
