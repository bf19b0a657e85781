"""What processes of one user must not have, or do, at the same time: workers of a run of the tests, or two runs.

In: a name. Out: the only right to it. Rule of the file: a right is a lock on the file of its name, so the system takes it back when its
process ends, however that ends.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PLACE: Final = Path(tempfile.gettempdir(), f"rulemill-turns-{os.getuid()}")


@contextmanager
def turn(name: str) -> Iterator[None]:
    """The right for as long as the context lasts; waits until nobody else has it."""
    file = _open(name)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def claim(name: str) -> bool:
    """Whether the right is this process's from now until it ends; does not wait, and a second time it is not."""
    file = _open(name)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True


def _open(name: str) -> int:
    _PLACE.mkdir(mode=0o700, exist_ok=True)
    return os.open(_PLACE / name, os.O_CREAT | os.O_RDWR, 0o600)
