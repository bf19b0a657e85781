"""`rulemill validate --fix`: the files mended where they are, or a diff of what would be written.

In: what `engine.rules.mending` made of a directory. Out: files, or a diff. Rule of the file: a file is replaced as a whole or not at all, keeps its mode, and is left
alone where somebody changed it meanwhile.
"""

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.errors import RulemillError
from engine.rules.mending import Mended


class FileChanged(RulemillError):
    """A rule file is not what was mended any more. It was not touched."""


def diff(mended: Mended) -> Iterator[str]:
    """Lines of a unified diff, each with its line break, as `patch -p1` takes them."""
    for file, new in mended.files.items():
        before, after = (data.decode("utf-8-sig").splitlines(keepends=True) for data in (mended.before[file], new))
        for line in difflib.unified_diff(before, after, f"a/{file}", f"b/{file}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def write(mended: Mended) -> None:
    """Write every file that was mended.

    Raises FileChanged for one that is not as it was read, and OSError for one that cannot be written; those before it are written.
    """
    for file, new in mended.files.items():
        _replace(Path(os.path.realpath(file)), mended.before[file], new)


def _replace(path: Path, before: bytes, new: bytes) -> None:
    if path.read_bytes() != before:
        raise FileChanged(f"`{path}` was changed meanwhile and is left as it is; run the command again")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
