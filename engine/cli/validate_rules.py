"""The `validate-rules` command, which is `rulemill validate`: editors, hooks and CI start it often, so it loads nothing else."""

import argparse

from engine.cli import validate
from engine.cli.ending import ended


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="validate-rules", description="Check rules; the same load and compile as the server's.")
    validate.add_arguments(parser)
    chosen = parser.parse_args()
    return ended(lambda: validate.run(chosen))
