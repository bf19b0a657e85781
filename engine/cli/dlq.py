"""`rulemill dlq`: look at dead letters, and send them again."""

import argparse
import asyncio
import os
import shutil
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from engine.clock import SystemClock
from engine.egress.letter_choice import LetterChoice
from engine.egress.letter_tables import GROUPS, counts, printable, table, whole
from engine.egress.replay_notes import ReplayNotes
from engine.errors import QuestionInvalid
from engine.rules.durations import parse_duration
from engine.rules.times import parse_time
from engine.settings import Settings, load_settings

_LIMIT: Final = 50
_SENDING: Final = "engine.cli.dlq_replay"
_COPYING: Final = "engine.cli.kafka_letters"

_Copied = Callable[[Settings], Path]
_Send = Callable[[LetterChoice, ReplayNotes, str, str | None], Awaitable[int]]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("dlq")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    ls = _action(actions, "ls", "the letters that were not replayed, the newest last", _ls)
    ls.add_argument("--by", choices=GROUPS, help="count them instead")
    ls.add_argument("--limit", type=int, default=_LIMIT, metavar="N", help="only the newest N, 0 for all; default: %(default)s")
    show = _action(actions, "show", "one letter as a whole", _show)
    show.add_argument("letters", nargs=1, metavar="N|ID", help="its number in `ls`, or the id of its event")
    show.add_argument("--raw", action="store_true", help="the bytes of the event alone, as they came in")
    replay = _action(actions, "replay", "send the events again to a running service", _replay)
    replay.add_argument("letters", nargs="*", metavar="N|ID", help="only these; default: all that were not replayed")
    replay.add_argument("--to", type=_service, metavar="URL", help="the service; default: where the settings say that it listens")
    replay.add_argument("--token", metavar="TOKEN", help="what the service asks of senders; @FILE reads it from a file")
    replay.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _service(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"`{text}` is no URL; write `http://{text}`")
    return text


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help, description=help)
    parser.add_argument("--file", type=Path, metavar="F", help="the file of dead letters; default: the settings' file or topic")
    parser.add_argument("--config", type=Path, help="settings; default: config.yaml where there is one")
    parser.set_defaults(run=run, code=None, since=None, letters=(), all=name == "show")
    if name != "show":
        parser.add_argument("--code", metavar="C", help="only letters with this code")
        parser.add_argument(
            "--since", metavar="T", help="only letters from then on: `2026-03-02T09:00:00Z`, or how long ago: `2h`"
        )
        parser.add_argument("--all", action="store_true", help="those that were replayed as well")
    return parser


def _ls(arguments: argparse.Namespace) -> int:
    chosen = _chosen(arguments, load_settings(arguments.config, os.environ))
    for line in counts(chosen, arguments.by) if arguments.by else _table(chosen, arguments.limit):
        print(line)
    _tell(chosen)
    return 0


def _table(chosen: LetterChoice, limit: int) -> Iterator[str]:
    newest = deque(chosen, maxlen=limit or None)
    if newest:
        yield from table(newest, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    if chosen.taken > len(newest):
        yield f"… and {chosen.taken - len(newest)} before them; `--limit 0` shows all"


def _show(arguments: argparse.Namespace) -> int:
    found = list(_chosen(arguments, load_settings(arguments.config, os.environ)))
    if not found:
        raise QuestionInvalid(f"there is no letter `{printable(arguments.letters[0])}`; `rulemill dlq ls --all` shows all")
    if arguments.raw:
        sys.stdout.buffer.write(found[0].raw + b"\n")
        return 0
    print("\n\n".join("\n".join(whole(letter)) for letter in found))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    """Replay; 1 where a letter was rejected again or is still to be sent."""
    settings = load_settings(arguments.config, os.environ)
    chosen, url = _chosen(arguments, settings), _url(arguments.to, settings)
    if arguments.dry_run or not chosen.path.exists():
        for line in counts(chosen, "code"):
            print(line)
        print(f"{chosen.taken} letters would be sent to {url}")
        _tell(chosen)
        return 0
    with ReplayNotes.open(chosen.path) as notes:
        return asyncio.run(_send(chosen, notes, url, _token(arguments.token)))


async def _send(chosen: LetterChoice, notes: ReplayNotes, url: str, token: str | None) -> int:
    send = cast("_Send", import_module(_SENDING).send)
    try:
        return await send(chosen, notes, url, token)
    finally:
        _tell(chosen)


def _chosen(arguments: argparse.Namespace, settings: Settings) -> LetterChoice:
    if arguments.file is not None and not arguments.file.exists():
        raise QuestionInvalid(f"there is no file `{arguments.file}`")
    since_ms = None if arguments.since is None else _since_ms(arguments.since)
    path = arguments.file or _letters(settings)
    return LetterChoice(path, arguments.code, since_ms, arguments.letters, arguments.all)


def _letters(settings: Settings) -> Path:
    """The settings' file of letters; where they go to a topic, a copy of it that is up to date."""
    if settings.egress != "kafka" or settings.kafka.dead_letter_topic is None:
        return settings.dead_letters.path
    return cast("_Copied", import_module(_COPYING).copied_letters)(settings)


def _tell(chosen: LetterChoice) -> None:
    """Say on standard error what was left out, and when there is nothing."""
    if not chosen.taken and not chosen.replayed:
        print(f"there are no such letters in {chosen.path}", file=sys.stderr)
    if chosen.replayed:
        print(f"{chosen.replayed} more were replayed; `--all` takes them as well", file=sys.stderr)
    for fault in chosen.faults:
        print(f"no letter: {chosen.path}:{fault.number}: {fault.why}", file=sys.stderr)
    if chosen.faulty > len(chosen.faults):
        print(f"no letter: {chosen.faulty - len(chosen.faults)} more lines", file=sys.stderr)


def _since_ms(text: str) -> int:
    ago_ms = parse_duration(text)
    at_ms = parse_time(text) if ago_ms is None else SystemClock().now_ms() - ago_ms
    if at_ms is None:
        raise QuestionInvalid(f"`--since` is `{printable(text)}`; write `2026-03-02T09:00:00Z`, or how long ago: `2h`")
    return at_ms


def _url(to: str | None, settings: Settings) -> str:
    base = (to or f"http://{settings.http.host}:{settings.http.port}").rstrip("/")
    return base if base.endswith("/events") else f"{base}/events"


def _token(text: str | None) -> str | None:
    return Path(text[1:]).read_text(encoding="utf-8").strip() if text is not None and text.startswith("@") else text
