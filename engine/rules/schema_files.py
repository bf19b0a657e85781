"""The event schemas that rule files name.

In: the nodes of the rule files. Out: the documents, their bytes, and findings for those that cannot be used. Rule of the file: a schema that
passes here is one that the server can check events with.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from engine.rules.diagnostics import Findings
from engine.rules.loader import MAX_FILE_BYTES
from engine.rules.nodes import Node, ScalarNode
from engine.rules.parse_events import SchemaFile, named_schemas
from engine.rules.places import Span
from engine.rules.schema_slips import find_slips, place_in
from engine.rules.schemas import EventSchema, SchemaInvalid
from engine.rules.snapshot import path_beside


@dataclass(slots=True)
class SchemaFiles:
    """What was read: schemas by rule file and name, and the bytes of each schema file by its shown path.

    `named` are the paths of all that were asked for, also of those that could not be read.
    """

    schemas: dict[tuple[str, str], SchemaFile] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)


def read_schemas(files: Mapping[str, Node | None], read_file: Callable[[str], bytes], findings: Findings) -> SchemaFiles:
    """Read every schema that the files name, each once. `read_file` raises OSError or ValueError for what cannot be read."""
    read = SchemaFiles()
    documents: dict[str, Mapping[str, object] | None] = {}
    for file, node in files.items():
        for name in named_schemas(node) if node else ():
            _read(file, name, read_file, read, documents, findings)
    return read


def _read(
    file: str,
    name: ScalarNode,
    read_file: Callable[[str], bytes],
    read: SchemaFiles,
    documents: dict[str, Mapping[str, object] | None],
    findings: Findings,
) -> None:
    path = path_beside(file, name.text)
    read.named.add(path)
    try:
        data = read.contents[path] if path in read.contents else read_file(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a file name"
        above = f"../{name.text}"
        is_above = False
        with suppress(OSError, ValueError):
            is_above = bool(read_file(path_beside(file, above)))
        help = f"the path is relative to this file: write `{above}`" if is_above else "the path is relative to this file"
        findings.add("E309", f"cannot read the schema `{name.text}`: {reason.lower()}", name.span, help=help)
        return
    read.contents[path] = data
    if path not in documents:
        documents[path] = _document(path, data, findings)
    read.schemas[file, name.text] = SchemaFile(path, documents[path])


def _document(path: str, data: bytes, findings: Findings) -> Mapping[str, object] | None:
    start = Span(path, 1, 1, 1, 1)
    if len(data) > MAX_FILE_BYTES:
        findings.add("E309", f"the schema is larger than {MAX_FILE_BYTES:,} bytes", start)
        return None
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        place = Span(path, error.lineno, error.colno, error.lineno, error.colno + 1)
        findings.add("E309", f"the schema is not JSON: {error.msg}", place)
        return None
    if not isinstance(document, dict):
        findings.add("E309", "the schema is not a JSON object", start, help='write `{"type": "object", "properties": {…}}`')
        return None
    try:
        EventSchema(document)
    except SchemaInvalid as error:
        findings.add("E309", f"not a usable JSON Schema: {error}", place_in(path, data, error.steps))
        return None
    find_slips(path, data, findings)
    return document
