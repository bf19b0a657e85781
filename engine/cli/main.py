"""The command line: one file a command, one table of them here.

A command's module is imported when the command is run, so that `--help` and `validate-rules` do not wait for what only the service needs.

Exit codes everywhere: 0 fine, 1 findings or a failed test, 2 the tool itself could not do its work. As
of any command, 130 and 141 are the ends by Ctrl-C and by a reader of its output that went away.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

from engine import __version__
from engine.cli.ending import end_at_sigterm, ended, leave

COMMANDS: Final = {
    "serve": "run the service",
    "process": "run a file of events through the pipeline",
    "validate": "check rules; the same load and compile as the server's",
    "test": "run the tests beside the rules",
    "explain": "why the rules do to an event what they do",
    "replay": "recorded events through the rules, or what other rules change",
    "plan": "what a change of rules does to state, claims and caches",
    "dlq": "dead letters: what could not be carried on",
    "bench": "how much the service takes on this machine, and what that costs",
    "schema": "a JSON Schema of rule files, which editors complete and check by",
    "config": "the settings in force, and where each came from",
}
"""What each command does. It is the module of its name here, whose `add_parser` describes the arguments and says what runs."""

_ALSO: Final = {"validate-rules": "validate"}
"""Names that commands have beside their own."""


def command() -> NoReturn:
    """Be the `rulemill` command."""
    end_at_sigterm()
    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `rulemill` command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    given[:1] = [_ALSO.get(word, word) for word in given[:1]]
    chosen = _parser(next((word for word in given if not word.startswith("-")), "")).parse_args(given)
    return ended(lambda: chosen.run(chosen))


def _parser(wanted: str) -> argparse.ArgumentParser:
    """The parser of all commands' names, and of the arguments of the one that is wanted."""
    parser = argparse.ArgumentParser(prog="rulemill", description="A declarative event engine: its rules are YAML.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help in COMMANDS.items():
        if name == wanted:
            import_module(f"engine.cli.{name}").add_parser(commands)
        else:
            commands.add_parser(name, help=help)
    return parser
