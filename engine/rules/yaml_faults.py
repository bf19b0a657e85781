"""YAML syntax errors in words that say what to write.

In: an error of the YAML library. Out: a finding at the place where the author has to look. Rule of the file: the library's own words
are kept only where we have none better.
"""

from typing import Final, NamedTuple

import yaml

from engine.rules.diagnostics import Findings
from engine.rules.model import Span


class _Wording(NamedTuple):
    problem: str
    message: str
    help: str
    at_context: bool = False


_QUOTE = "put the text in single quotes"
_WORDINGS: Final = (
    _Wording("mapping values are not allowed", "a second `:` on this line starts a map inside a value", f"{_QUOTE} if the `: ` is part of it; or the line above lacks its `:`"),
    _Wording("could not find expected ':'", "a key without `:`", "write `key: value`, with a blank after the colon", at_context=True),
    _Wording("found unknown escape character", "a backslash in double quotes starts an escape that YAML does not know",
             f"{_QUOTE}: there a backslash is a backslash"),
    _Wording("did not find expected key", "this line does not continue the map it stands in",
             "indent it like the keys above it; a value that begins with a quote must end with it"),
    _Wording("did not find expected '-' indicator", "this line does not continue the list it stands in",
             "start it with `- `, or indent it like the list's key"),
    _Wording("did not find expected ',' or ']'", "a `[` without its `]`", "close the list; texts with `,`, `[` or `{` need quotes", at_context=True),
    _Wording("did not find expected ',' or '}'", "a `{` without its `}`", "close the map; names and texts with `,`, `[`, `{` or `${` need quotes", at_context=True),
    _Wording("did not find expected node content", "a value is missing or starts with a character that YAML keeps for itself", _QUOTE),
    _Wording("found unexpected end of stream", "a quote is opened and never closed", "close it", at_context=True),
    _Wording("found unexpected document indicator", "a quote is opened and never closed", "close it", at_context=True),
    _Wording("did not find expected alphabetic", "`*` and `&` start an alias or an anchor", _QUOTE),
    _Wording("did not find expected whitespace", "a value starts with a character that YAML keeps for itself", _QUOTE),
    _Wording("block sequence entries are not allowed", "a list cannot start on the line of its key", "put each `- ` on a line of its own"),
    _Wording("block collection entries", "a `-` or `?` where no list can start", _QUOTE),
)  # fmt: skip


def add_syntax_finding(error: yaml.YAMLError, file: str, lines: list[str], findings: Findings) -> None:
    """Say where the text stops being YAML, and how to mend it."""
    problem, mark, context = _parts(error)
    wording = next((known for known in _WORDINGS if problem.startswith(known.problem)), None)
    at = context if wording and wording.at_context and context else mark
    line = at.line if at else 0
    column = at.column if at else 0
    span = Span(file, line + 1, column + 1, line + 1, column + 2)
    text = lines[line] if line < len(lines) else ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        findings.add("E102", "a tab in the indentation", Span(file, line + 1, 1, line + 1, 2), help="indent with blanks")
    elif "cannot start any token" in problem:
        character = text[column : column + 1]
        findings.add("E102", f"a value cannot start with `{character}`", span, help=_QUOTE)
    elif wording:
        findings.add("E102", wording.message, span, help=wording.help)
    else:
        findings.add("E102", f"not valid YAML: {problem}", span)


def _parts(error: yaml.YAMLError) -> tuple[str, yaml.Mark | None, yaml.Mark | None]:
    if isinstance(error, yaml.MarkedYAMLError):
        return str(error.problem or error), error.problem_mark or error.context_mark, error.context_mark
    return str(error).splitlines()[0], None, None
