"""How a command ends: its exit code, whatever happens.

In: the work of a command. Out: an exit code. Rule of the file: what is not the user's rules or events is said in one line on standard error, without a
trace of calls.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from engine.errors import RulemillError


class Interrupted(KeyboardInterrupt):
    """A signal that ends a command, by its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def ended(work: Callable[[], int]) -> int:
    """Do the work, and return its code; 2 where it could not be done, 130 after Ctrl-C, 141 where nobody reads the output any more.

    143 after SIGTERM, where that is heard.
    """
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: what is left is not worth a word
        return 128 + signal.SIGPIPE
    except (RulemillError, OSError) as error:
        print(f"rulemill: {_told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupted:
        return 128 + (interrupted.number if isinstance(interrupted, Interrupted) else signal.SIGINT)
    return code


def _told(error: Exception) -> str:
    """An error in words: of a file its name, and what is the matter with it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"`{error.filename}`: {error.strerror}"
    return str(error)


def end_at_sigterm() -> None:
    """As the first process of a container, end at SIGTERM like any other: for that one the system does nothing by itself.

    Whoever has something to see to its end takes the signal over.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def clear_up_at_sigterm() -> None:
    """End at SIGTERM as at Ctrl-C: what a command has begun is closed, and what it needed only for itself goes with it."""

    def terminated(number: int, _: object) -> None:
        raise Interrupted(number)

    signal.signal(signal.SIGTERM, terminated)


def leave(code: int) -> NoReturn:
    """End the process at once: a command has closed what it opened, and the system takes memory back faster than the interpreter clears it up.

    What is frozen for the collector would be called leaked by the library of sketches, besides.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
