"""Dead letters for people: as a table, as counts, and one as a whole.

In: letters. Out: lines without line ends. Rule of the file: what came from outside is shown so that it cannot steer a terminal.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from engine.egress.letters import Letter
from engine.rules.times import format_time

GROUPS: Final = ("code", "stage", "ruleset")
"""What letters may be counted by."""

_HEAD: Final = ("N", "TIME", "CODE", "STAGE", "ID", "REASON")
_LONGEST_ID: Final = 40


def table(letters: Sequence[Letter], width: int | None) -> Iterator[str]:
    """A line for each letter below a head. `width` cuts lines for a terminal; None leaves them as they are."""
    rows = [_HEAD, *(_row(letter) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        yield line if width is None or len(line) <= width else line[: width - 1] + "…"


def counts(letters: Iterable[Letter], group: str) -> Iterator[str]:
    """How many letters there are of each code (or whatever `group` names), with the first and the last time, the most first."""
    numbers: Counter[str] = Counter()
    times: dict[str, tuple[int, int]] = {}
    for letter in letters:
        name = getattr(letter, group)
        numbers[name] += 1
        first_ms, last_ms = times.get(name, (letter.time_ms, letter.time_ms))
        times[name] = (min(first_ms, letter.time_ms), max(last_ms, letter.time_ms))
    rows = [("LETTERS", group.upper(), "FIRST", "LAST")]
    for name, number in numbers.most_common():
        first_ms, last_ms = times[name]
        rows.append((str(number), printable(name), format_time(first_ms), format_time(last_ms)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip()


def whole(letter: Letter) -> Iterator[str]:
    """Everything about a letter; its event is laid out where it is JSON."""
    for name, value in (
        ("letter", str(letter.number)),
        ("time", format_time(letter.time_ms)),
        ("code", letter.code),
        ("stage", letter.stage),
        ("ruleset", letter.ruleset),
        ("id", letter.id or "none"),
        ("reason", letter.reason),
    ):
        yield f"{name:<8} {printable(value)}"
    yield f"event    {len(letter.raw)} bytes"
    yield from (f"  {printable(line)}" for line in _event(letter.raw).split("\n"))


def printable(text: str) -> str:
    """The text with characters that a terminal might obey written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _row(letter: Letter) -> tuple[str, ...]:
    identity = printable(letter.id or "")
    short = identity if len(identity) <= _LONGEST_ID else identity[: _LONGEST_ID - 1] + "…"
    cells = (printable(letter.code), printable(letter.stage), short, printable(letter.reason))
    return str(letter.number), format_time(letter.time_ms), *cells


def _event(raw: bytes) -> str:
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return raw.decode(errors="backslashreplace")
