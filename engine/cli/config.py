"""`rulemill config`: the settings in force, and where each came from."""

import argparse
import os
import sys
from pathlib import Path

import orjson

from engine.settings import read_settings
from engine.settings_list import Row, rows, settings_page


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("config")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")
    parser.add_argument("--changed", action="store_true", help="only those whose value is not the default")
    parser.add_argument(
        "--doc", action="store_true", help="print the page that describes every setting, and nothing of those in force"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings. Raises SettingsInvalid where there are faults, with all of them."""
    if arguments.doc:
        sys.stdout.write(settings_page())
        return 0
    settings, origins = read_settings(arguments.config, os.environ)
    found = [row for row in rows(settings, origins) if not arguments.changed or row.value != row.default]
    sys.stdout.write(_as_json(found) if arguments.format == "json" else _as_text(found))
    return 0


def _as_json(found: list[Row]) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps({"settings": [row._asdict() for row in found]}, option=options).decode()


def _as_text(found: list[Row]) -> str:
    name_width = max((len(row.name) for row in found), default=0)
    value_width = max((len(row.value) for row in found), default=0)
    return "".join(f"{row.name:{name_width}}  {row.value:{value_width}}  {row.origin}\n" for row in found)
