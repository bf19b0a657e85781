"""The files that a run of `rulemill process` writes, looked at before its first event is read.

In: the command's arguments. Out: paths that can be written, empty where the run begins anew. Rule of the file: what was there before
stays as it is, unless the command says otherwise.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.egress.replay_notes import notes_path
from engine.errors import QuestionInvalid
from engine.rules.model import Ruleset


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
    """See that the run's files begin with it, or go on where its state does; `--overwrite` empties them.

    Raises QuestionInvalid where there is something in one of them, and where one is the input or another output: nothing is changed then.
    """
    added_to = list(_added_to(arguments, ruleset, main_topic))
    reports = [path for path in (arguments.aggregates, arguments.summary) if path is not None]
    _check_apart(arguments.events, [*added_to, *reports])
    letters = letters_path(arguments)
    filled = [path for path in [*added_to, *([] if letters is None else [notes_path(letters)])] if _has_content(path)]
    goes_on = arguments.state is not None and arguments.state.exists()
    if filled and not goes_on and not arguments.overwrite:
        there = ", ".join(f"`{path}`" for path in filled)
        raise QuestionInvalid(f"there is {there} already; name another with `--out`, delete it, or begin it anew: `--overwrite`")
    if arguments.overwrite:
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


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
