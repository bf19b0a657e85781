"""`rulemill validate`, also called `validate-rules`: all findings of a rules directory at once."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from engine.app import SOURCE_KINDS
from engine.rules.compiler import Compiled, compile_rules
from engine.rules.diagnostics import Finding
from engine.rules.reports import FORMS
from engine.settings import Settings, load_settings

_DEFAULT_PATH = Path("rules")
_ONLINE = "engine.cli.online"
_Asked = Callable[[Sequence[Compiled], Settings], list[Finding]]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("validate", help="check rules; the same load and compile as the server's")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a rules directory, or a file in one; default: rules")
    parser.add_argument("--format", choices=tuple(FORMS), default="human", help="default: %(default)s")
    parser.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="exit with 1 from this severity; default: %(default)s"
    )
    parser.add_argument("--online", action="store_true", help="ask Kafka for the topics too, where the settings name it")
    parser.add_argument("--config", type=Path, help="settings for --online; default: config.yaml where there is one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings of all paths as one report; 1 where there are some at or above `--fail-on`.

    Raises RulesUnreadable, before anything is printed, where a path cannot be read.
    """
    directories = dict.fromkeys(_directory(path) for path in arguments.paths or [_DEFAULT_PATH])
    compiled = [compile_rules(directory, os.environ, SOURCE_KINDS) for directory in directories]
    asked = _online(compiled, arguments.config) if arguments.online else []
    findings = [finding for one in compiled for finding in one.findings] + asked
    sources = {file: text for one in compiled for file, text in one.sources.items()}
    sys.stdout.write(FORMS[arguments.format](findings, sources))
    return 1 if asked or any(_fails(one, arguments.fail_on) for one in compiled) else 0


def _online(compiled: Sequence[Compiled], config: Path | None) -> list[Finding]:
    """What Kafka says of the topics. Its client is loaded here, as nothing else needs it."""
    settings = load_settings(config, os.environ)
    if settings.egress != "kafka":
        sys.stderr.write("--online: the settings have no `egress: kafka`, so there is nothing to ask\n")
        return []
    return cast("_Asked", import_module(_ONLINE).online_findings)(compiled, settings)


def _directory(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _fails(compiled: Compiled, severity: str) -> bool:
    return bool(compiled.findings) if severity == "warning" else compiled.plan is None
