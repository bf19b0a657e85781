"""What commands share about rules: where they are, and what is said when they are wrong."""

import argparse
import os
import sys
from pathlib import Path

from engine.app import SOURCE_KINDS
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.rules.reports import human
from engine.settings import Settings


def add_rules_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rules`."""
    parser.add_argument("--rules", type=Path, metavar="DIR", help="the rules directory; default: the settings' one")


def load_plan(arguments: argparse.Namespace, settings: Settings) -> Plan | None:
    """The plan, or None after the findings were printed to standard error."""
    compiled = compile_rules(arguments.rules or settings.rules.path, os.environ, SOURCE_KINDS)
    if compiled.plan is None:
        sys.stderr.write(human(compiled.findings, compiled.sources))
    return compiled.plan
