"""The files that a run of `rulemill process` writes, looked at before its first event is read.

In: the command's arguments. Out: paths that can be written, empty where the run begins anew. Rule of the file: nothing is emptied for a run
that cannot begin.
"""

import argparse
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import orjson

from engine.egress.replay_notes import notes_path
from engine.errors import QuestionInvalid
from engine.rules.model import Ruleset

_RECORD_MARKS: Final = ("processing", "aggregator")
_LETTER_MARKS: Final = ("stage",)
_WINDOW_MARKS: Final = ("aggregator",)
_SUMMARY_MARKS: Final = ("events_per_second",)
_MOST_BYTES: Final = 64 << 20


def topic_paths(out: Path, main_topic: str) -> Callable[[str], Path]:
    """Where the records of each topic go: those of the main one to `out`, others beside it."""

    def path_of(topic: str) -> Path:
        return out if topic == main_topic else out.with_name(f"{out.stem}.{topic}{out.suffix}")

    return path_of


def letters_path(arguments: argparse.Namespace) -> Path | None:
    """Where dead letters go; None where neither they nor records are to be kept in files."""
    if arguments.dead_letters is not None:
        return Path(arguments.dead_letters)
    return arguments.out.with_name(f"{arguments.out.stem}.dead-letters.ndjson") if arguments.out else None


def begin_outputs(arguments: argparse.Namespace, ruleset: Ruleset, main_topic: str) -> None:
    """See that the run's files begin with it, or go on where its state does.

    Raises QuestionInvalid where one is the input or another output, where one holds what no run has written, and where one cannot be written: nothing is
    lost then.
    """
    for option in ("out", "dead_letters", "aggregates", "summary"):
        if str(getattr(arguments, option)) == "-":
            raise QuestionInvalid(f"`--{option.replace('_', '-')} -`: standard output is no place for it; name a file")
    added_to = list(_added_to(arguments, ruleset, main_topic))
    reports = [path for path in (arguments.aggregates, arguments.summary) if path is not None]
    _check_apart(arguments.events, [*added_to, *reports])
    letters = letters_path(arguments)
    filled = [path for path in [*added_to, *([] if letters is None else [notes_path(letters)])] if _has_content(path)]
    goes_on = arguments.state is not None and arguments.state.exists()
    for path in [*added_to, *reports]:
        _check_writable(path, by_lines=path in added_to)
    _check_ours(arguments, added_to, letters)
    if not goes_on:
        for path in filled:
            path.write_bytes(b"")


def _added_to(arguments: argparse.Namespace, ruleset: Ruleset, main_topic: str) -> Iterator[Path]:
    """The files of records and of letters, which grow by lines."""
    if arguments.out is not None:
        topics = dict.fromkeys([main_topic, *(route.topic for route in ruleset.routes.values())])
        yield from map(topic_paths(arguments.out, main_topic), topics)
    letters = letters_path(arguments)
    if letters is not None:
        yield letters


def _check_apart(source: str, outputs: Sequence[Path]) -> None:
    """Raises QuestionInvalid where two of these are one file. What is no file, as `/dev/null`, may be named often."""
    taken = [] if source == "-" else [Path(source).resolve()]
    for path in outputs:
        place = path.resolve()
        if place in taken and (place.is_file() or not place.exists()):
            other = "another output" if place in taken[source != "-" :] else "what is read"
            raise QuestionInvalid(f"`{path}` is to be written, and is {other} as well; name another file")
        taken.append(place)


def _check_ours(arguments: argparse.Namespace, added_to: Sequence[Path], letters: Path | None) -> None:
    """Raises QuestionInvalid for a file with contents that a run does not write: its name may be a slip of the hand."""
    marks: list[tuple[Path | None, Sequence[str]]] = [(arguments.aggregates, _WINDOW_MARKS), (arguments.summary, _SUMMARY_MARKS)]
    marks += [(path, _LETTER_MARKS if path == letters else _RECORD_MARKS) for path in added_to]
    for path, members in marks:
        if path is not None and _has_content(path) and not _begins_with_object_of(path, members):
            raise QuestionInvalid(
                f"`{path}` holds something that no run has written, and would lose it; name another file, or remove it"
            )


def _begins_with_object_of(path: Path, members: Sequence[str]) -> bool:
    """Whether the first line of a file, or the whole of a small one, is an object with one of these members."""
    with path.open("rb") as file:
        first = file.readline(_MOST_BYTES)
        whole = first + file.read(_MOST_BYTES) if first == b"{\n" else first
    try:
        value = orjson.loads(whole)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and any(member in value for member in members)


def _check_writable(path: Path, *, by_lines: bool) -> None:
    """Raises QuestionInvalid where the file cannot be opened. Its directory is made; the file itself when there is something for it."""
    is_new = not path.exists()
    if not (is_new or by_lines or path.is_file() or path.is_dir()):
        return  # a pipe: a report is written to it in one piece
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(fd, b"", 0)
        finally:
            os.close(fd)
    except OSError as error:
        why = "lines are added to files alone, and it is none" if error.errno == errno.ESPIPE else error.strerror
        raise QuestionInvalid(f"`{path}` cannot be written: {why}") from error
    if is_new:
        path.unlink()


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
