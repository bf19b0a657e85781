"""`rulemill schema`: JSON Schemas of rule files, for editors."""

import argparse
import sys
from pathlib import Path

import orjson

from engine.rules.editor_schema import editor_schema

_FILE_NAME = "rules.schema.json"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("schema")
    parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="the rules directory; default: rules")
    parser.add_argument("--rules", type=Path, metavar="DIR", help="the same")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"write {_FILE_NAME} there; default: to standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the schema; 0 even where the rules have errors: then it knows what could be read of them.

    Raises RulesUnreadable where there are no rules, OSError where the file cannot be written.
    """
    rules = arguments.path or arguments.rules or Path("rules")
    text = orjson.dumps(editor_schema(rules), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    if arguments.out is None:
        sys.stdout.write(text)
        return 0
    path = arguments.out / _FILE_NAME
    arguments.out.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
    return 0
