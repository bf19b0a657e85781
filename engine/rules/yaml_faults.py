"""YAML syntax errors in words that say what to write.

In: an error of the YAML library. Out: a finding at the place where the author has to look. Rule of the file: the library's own words
are kept only where we have none better.
"""

import re
from typing import Final, NamedTuple

import yaml

from engine.rules.diagnostics import Edit, Findings, Related
from engine.rules.places import Span


class _Wording(NamedTuple):
    problem: str
    message: str
    help: str
    at_context: bool = False


_QUOTE = "put the text in single quotes"
_RESERVED: Final = frozenset("%@`*&!|>")
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

_CONFLICT: Final = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")
_GLUED: Final = re.compile(r"\s*(?:- +)*[A-Za-z_][\w.]*:(?=[{\[])")
_MAP_ON_A_LINE: Final = re.compile(r"\s*(?:- +)*(?:when|then|window|late|key|not|count): +[A-Za-z_][\w.]*: +\S")
_NAME_AND_MAP: Final = re.compile(r"\s*(?:- +)*([A-Za-z_][\w.-]*) +[{\[]")
_BARE_NAME: Final = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*[A-Za-z_][\w.-]*:(?:\s|$)")
_KEY_WITH_TEXT: Final = re.compile(r"\s*[A-Za-z_][\w.-]*: +[^\s#|>&{\[]")
_SECTIONS: Final = frozenset(
    (
        "version",
        "events",
        "deduplication",
        "enrichment",
        "aggregations",
        "routes",
        "filters",
        "conditions",
        "lists",
        "tests",
        "routing",
    )
)
_AT_THE_MARGIN: Final = re.compile(r"([A-Za-z_][\w.-]*):\s*(?:#.*)?$")
_ODD_BLANK: Final = re.compile(r"(?:^|(?<=:))[ \t]*([^\S\t\n\r ])[^\S\n\r]*")
"""What looks like blanks, in the indentation or after a colon, with one that is none for YAML."""


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
        place = Span(file, line + 1, 1, line + 1, 2)
        findings.add("E102", "a tab in the indentation", place, help="indent with blanks", edits=_without_tabs(file, lines))
    elif (odd := _odd_blank(lines, line)) is not None:
        _add_odd_blank(*odd, file, lines, findings)
    elif text.startswith(_CONFLICT):
        place = Span(file, line + 1, 1, line + 1, len(text) + 1)
        findings.add(
            "E102", "a conflict of a merge is left here", place, help="keep one of the two sides, and take out the three marks"
        )
    elif "expected key" in problem and (odd_line := _at_the_margin(lines, line)) is not None:
        _add_at_the_margin(odd_line, span, lines, findings)
    elif (
        "mapping values" in problem
        and (above := _line_above(lines, line)) is not None
        and _add_about_above(above, span, lines, findings)
    ):
        return
    elif "mapping values" in problem and _MAP_ON_A_LINE.match(text):
        help = "a map on one line stands in braces: `key: {name: value, other: value}`; a text with `: ` in single quotes"
        findings.add("E102", wording.message if wording else problem, span, help=help)
    elif "mapping values" in problem and (glued := _GLUED.match(text)) and glued.end() <= column:
        place = Span(file, line + 1, glued.end(), line + 1, glued.end() + 1)
        findings.add("E102", "a `:` without a blank after it", place, fix=": ")
    elif _is_about_one_sign(problem, span, text, findings):
        return
    elif "cannot start any token" in problem:
        character = text[column : column + 1]
        findings.add("E102", f"a value cannot start with `{character}`", span, help=_QUOTE, edits=_quoted(span, text))
    elif context and "'-' indicator" in problem and _is_single_dash(lines, context, span):
        _add_single_dash(context, span, findings)
    elif wording:
        findings.add("E102", wording.message, span, help=wording.help, edits=_edits(wording, span, text))
    else:
        findings.add("E102", f"not valid YAML: {problem}", span)


def _parts(error: yaml.YAMLError) -> tuple[str, yaml.Mark | None, yaml.Mark | None]:
    if isinstance(error, yaml.MarkedYAMLError):
        return str(error.problem or error), error.problem_mark or error.context_mark, error.context_mark
    return str(error).splitlines()[0], None, None


def _odd_blank(lines: list[str], last: int) -> tuple[int, re.Match[str]] | None:
    """Where something only looks like blanks, with the line from 0: on the line at fault, or on the one before it."""
    for number in (last - 1, last):
        found = _ODD_BLANK.search(lines[number]) if 0 <= number < len(lines) else None
        if found:
            return number, found
    return None


def _add_odd_blank(number: int, found: re.Match[str], file: str, lines: list[str], findings: Findings) -> None:
    """One finding; where it is about the indentation, its edits mend that of the whole file."""
    col = found.start(1) + 1
    odd = {number: found}
    if not found.start():
        odd = {at: other for at, line in enumerate(lines) if (other := _ODD_BLANK.match(line))}
    edits = [Edit(Span(file, at + 1, one.start() + 1, at + 1, one.end() + 1), " " * len(one[0])) for at, one in odd.items()]
    message = f"the character U+{ord(found[1]):04X} looks like a blank and is none"
    findings.add("E102", message, Span(file, number + 1, col, number + 1, col + 1), help="write a blank", edits=tuple(edits))


def _is_about_one_sign(problem: str, span: Span, text: str, findings: Findings) -> bool:
    """Whether the fault is a sign too many or too few on its line, which is then told with its edit."""
    column = span.col - 1
    sign = text[column : column + 1]
    name = _NAME_AND_MAP.match(text)
    if "unexpected ':'" in problem and sign == ":":
        findings.add("E102", "a `:` without a blank after it", span, fix=": ")
    elif "expected key" in problem and _closes_nothing(text, column):
        findings.add("E102", f"a `{sign}` that closes nothing", span, help="leave it out", edits=(Edit(span, ""),))
    elif "node content" in problem and sign == ",":
        findings.add("E102", "a `,` too many", span, help="leave it out", edits=(Edit(span, ""),))
    elif "node content" in problem and text[column : column + 2] == "- " and "{" in text[:column]:
        dash = Span(span.file, span.line, span.col, span.line, span.col + 2)
        findings.add("E102", "a `- ` inside of `{…}`", dash, help="leave it out", edits=(Edit(dash, ""),))
    elif "expected key" in problem and name:
        at = Span(span.file, span.line, name.end(1) + 1, span.line, name.end(1) + 1)
        findings.add("E102", f"`{name[1]}` lacks its `:`", at, help=f"write `{name[1]}:`", edits=(Edit(at, ":"),))
    else:
        return False
    return True


def _closes_nothing(text: str, column: int) -> bool:
    opened = sum((char in "{[") - (char in "}]") for char in text[:column])
    return text[column : column + 1] in {"}", "]"} and opened <= 0


def _line_above(lines: list[str], number: int) -> int | None:
    """The last line before this one that holds more than a comment."""
    return next((at for at in range(number - 1, -1, -1) if lines[at].split("#")[0].strip()), None)


def _add_about_above(number: int, span: Span, lines: list[str], findings: Findings) -> bool:
    """Whether the fault is that the line above is a name without its `:`, or that this line stands further in than it."""
    above, text = lines[number], lines[span.line - 1]
    depth, inside = _depth(above), _depth(text)
    if name := _BARE_NAME.fullmatch(above):
        at = Span(span.file, number + 1, name.end(1) + 1, number + 1, name.end(1) + 1)
        place = Span(span.file, number + 1, name.start(1) + 1, number + 1, name.end(1) + 1)
        findings.add("E102", f"`{name[1]}` lacks its `:`", place, help=f"write `{name[1]}:`", edits=(Edit(at, ":"),))
    elif inside > depth and _KEY_WITH_TEXT.match(above) and _KEY.match(text):
        place = Span(span.file, span.line, 1, span.line, inside + 1)
        findings.add(
            "E102", "this line stands further in than the one above it", place, help="indent both alike", fix=" " * depth
        )
    else:
        return False
    return True


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _at_the_margin(lines: list[str], last: int) -> int | None:
    """The last line before the one at fault that starts at the margin and is no section: what stood around it is further in."""
    for number in range(min(last, len(lines)) - 1, 0, -1):
        found = _AT_THE_MARGIN.match(lines[number])
        if found:
            return None if found[1] in _SECTIONS else number
    return None


def _add_at_the_margin(number: int, after: Span, lines: list[str], findings: Findings) -> None:
    """One finding at the line that stands too far left, with the blanks that the line after it has."""
    place = Span(after.file, number + 1, 1, number + 1, len(lines[number]) + 1)
    inside = lines[after.line - 1]
    related = (Related("this line does not go on with it", after),)
    edits = (Edit(Span(after.file, number + 1, 1, number + 1, 1), inside[: len(inside) - len(inside.lstrip())]),)
    findings.add(
        "E102",
        "this line stands at the left margin, and is no section",
        place,
        help="indent it like the names around it",
        related=related,
        edits=edits,
    )


def _is_single_dash(lines: list[str], dash: yaml.Mark, after: Span) -> bool:
    """Whether a list has one `-`, and what follows at its depth is none: then the `-` is the odd one among the lines."""
    depths = [len(line) - len(line.lstrip()) for line in lines[dash.line : after.line]]
    starts = [line.lstrip()[:1] for line in lines[dash.line : after.line]]
    same = [start for depth, start in zip(depths, starts, strict=True) if depth == dash.column and start not in {"", "#"}]
    return after.col == dash.column + 1 and len(same) == 2 and same[0] == "-" != same[1]


def _add_single_dash(dash: yaml.Mark, after: Span, findings: Findings) -> None:
    place = Span(after.file, dash.line + 1, dash.column + 1, dash.line + 1, dash.column + 2)
    help = f"leave the `-` out, or start line {after.line} with `- ` as well"
    related = (Related("this line is no item of it", after),)
    findings.add(
        "E102", f"a `-` starts a list here, which line {after.line} does not continue", place, help=help, related=related
    )


def _without_tabs(file: str, lines: list[str]) -> tuple[Edit, ...]:
    """Blanks up to the next multiple of four in place of each tab that indents a line, wherever the file has one."""
    edits = []
    for number, line in enumerate(lines, 1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent and line.strip():
            edits.append(Edit(Span(file, number, 1, number, len(indent) + 1), indent.expandtabs(4)))
    return tuple(edits)


def _edits(wording: _Wording, span: Span, text: str) -> tuple[Edit, ...]:
    """What mends the fault where only one thing can be meant."""
    if "escape" in wording.problem:
        return _single_quoted(span, text)
    return _quoted(span, text) if wording.help == _QUOTE and text[span.col - 1 : span.col] in _RESERVED else ()


def _quoted(span: Span, text: str) -> tuple[Edit, ...]:
    """The value that starts at `span`, in single quotes: up to a comment, or in a list or map on one line to its next sign."""
    rest = text[span.col - 1 :]
    within = text.count("{", 0, span.col) + text.count("[", 0, span.col) > text.count("}", 0, span.col) + text.count(
        "]", 0, span.col
    )
    value = re.split(r"\s#|[,\]}]|:\s" if within else r"\s#", rest, maxsplit=1)[0].rstrip()
    if not value or "'" in value:
        return ()
    return (Edit(Span(span.file, span.line, span.col, span.line, span.col + len(value)), f"'{value}'"),)


def _single_quoted(span: Span, text: str) -> tuple[Edit, ...]:
    """The text in double quotes around `span`, in single ones."""
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"', text):
        inside = found[1]
        if found.start() < span.col <= found.end() and not re.search(r"'|\\[\"\\nt]", inside):
            return (Edit(Span(span.file, span.line, found.start() + 1, span.line, found.end() + 1), f"'{inside}'"),)
    return ()
