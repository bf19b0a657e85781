"""The tables of file sources: context by key, out of JSON, NDJSON or CSV.

In: a file. Out: its rows, or the finding that it has none. Rule of the file: a table is read whole or not at all, and what is wrong with it is said with the line.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from engine.event import JsonObject
from engine.rules.diagnostics import Finding, Findings
from engine.rules.model import Ruleset, SourceSpec

_OTHER_VARIABLE: Final = re.compile(r"\$[A-Za-z_]|%[A-Za-z_]\w*%|\{\w+\}")
"""A variable of the environment as shells and other languages write it."""


def read_table(path: Path, id_field: str | None) -> dict[str, JsonObject]:
    """Read a table: `.json` is one object by id; `.ndjson`, `.jsonl` and `.csv` have a row a line, `id_field` its key, `id` where it is None.

    In CSV the first line has the names, and all values are text. Cells that a row lacks are left out of it; empty ones that it has too many are
    nothing. Raises OSError, or ValueError that says what is wrong with the content.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("a pipe or a device is no table")
    if path.suffix == ".json":
        table = orjson.loads(path.read_bytes())
        if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
            raise ValueError("expected one JSON object that holds an object for each id")
        for key, row in table.items():
            _check_depth(row, f"the object of `{key}`")
        return table
    field = id_field or "id"
    table = {}
    for number, row in _csv_rows(path) if path.suffix == ".csv" else _json_rows(path):
        if field not in row:
            raise ValueError(f"line {number} has no `{field}`, the field that `id:` names")
        table[str(row[field])] = row
    return table


def path_of(spec: SourceSpec) -> Path:
    """Where the table of a place of kind `file` is: its path is relative to the rule file."""
    return Path(spec.span.file).parent / str(spec.settings["path"])


def id_field_of(spec: SourceSpec) -> str | None:
    """The field that has the key, where the rule names one."""
    return str(spec.settings["id"]) if "id" in spec.settings else None


def reason_of(error: Exception) -> str:
    """Why a table cannot be read, in words."""
    if isinstance(error, OSError):
        return str(error.strerror)
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def table_findings(ruleset: Ruleset) -> list[Finding]:
    """A finding for each place of kind `file` whose table cannot be read now: a service with these rules would not start."""
    findings = Findings()
    for source in ruleset.enrichment.sources.values():
        for spec in source.chain:
            if spec.kind == "file":
                _check_table(spec, findings)
    return findings.in_order()


def _check_table(spec: SourceSpec, findings: Findings) -> None:
    path = path_of(spec)
    try:
        read_table(path, id_field_of(spec))
    except (OSError, ValueError) as error:
        help = ""
        if isinstance(error, FileNotFoundError):
            is_variable = _OTHER_VARIABLE.search(str(spec.settings["path"]))
            help = "a variable is written `${NAME}`" if is_variable else "the path is relative to this file"
        findings.add("E703", f"the table `{path}` cannot be read: {reason_of(error)}", spec.span, help=help)


def _check_depth(row: JsonObject, which: str) -> None:
    """Refuse what can be read and could not be written again where it would stand in an event."""
    try:
        orjson.dumps([[row]])
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{which} is nested too deeply to go out with an event") from error


def _csv_rows(path: Path) -> Iterator[tuple[int, JsonObject]]:
    """Each row with the line it begins at."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, strict=True)
        header: list[str] = []
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise ValueError(f"line {number} begins a row that is not CSV: {error}; is a quote left open?") from error
            if cells is None:
                return
            if header and any(cells[len(header) :]):
                raise ValueError(f"line {number} has {len(cells)} cells, and there are {len(header)} columns")
            if header and cells:
                yield number, dict(zip(header, cells, strict=False))
            header = header or cells


def _json_rows(path: Path) -> Iterator[tuple[int, JsonObject]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON: {error.msg}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not a JSON object")  # noqa: TRY004 - the content is wrong, as in all other cases
            _check_depth(row, f"the object on line {number}")
            yield number, row
