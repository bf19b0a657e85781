"""The command line: one file a command, one table of them here.

Exit codes everywhere: 0 fine, 1 findings or a failed test, 2 the tool itself could not do its work. As
of any command, 130 and 141 are the ends by Ctrl-C and by a reader of its output that went away.
"""

import argparse
from collections.abc import Sequence

from engine.cli import config, dlq, explain, process, schema, serve, test, validate
from engine.cli.ending import ended

_COMMANDS = (serve, process, validate, test, explain, dlq, schema, config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `rulemill` command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="rulemill", description="A declarative event engine: its rules are YAML.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    chosen = parser.parse_args(arguments)
    return ended(lambda: chosen.run(chosen))
