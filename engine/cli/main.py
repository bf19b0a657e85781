"""The command line: one file a command, one table of them here.

Exit codes everywhere: 0 fine, 1 findings or a failed test, 2 the tool itself could not do its work. As
of any command, 130 and 141 are the ends by Ctrl-C and by a reader of its output that went away.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from engine.cli import config, dlq, explain, plan, process, replay, schema, serve, test, validate
from engine.errors import RulemillError

_COMMANDS = (serve, process, validate, test, explain, replay, plan, dlq, schema, config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `rulemill` command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="rulemill", description="A declarative event engine: its rules are YAML.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: what is left is not worth a word
        return 128 + signal.SIGPIPE
    except (RulemillError, OSError) as error:
        print(f"rulemill: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def validate_rules() -> int:
    """Run the `validate-rules` command, which is `rulemill validate`."""
    return main(["validate", *sys.argv[1:]])
