"""The last rules that worked, kept in one file, so that the service starts when somebody has broken those in the directory.

In: the contents of a ruleset that is in service. Out: the same contents, later. Rule of the file: the copy is whole or not there; it is
replaced in one step.
"""

import os
from pathlib import Path

import orjson

from engine.errors import RulemillError
from engine.rules.compiler import Contents
from engine.rules.snapshot import KeptFiles, relative_to


class LastGoodUnreadable(RulemillError):
    """There is no copy of the last good rules, or it cannot be read. The text says which."""


def keep_last_good(path: Path, directory: Path, contents: Contents) -> None:
    """Write the contents of a rules directory to `path`. Raises OSError where that cannot be done: the copy before stays."""
    files = {name: data.decode("utf-8") for name, data in relative_to(directory, contents.files).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.{os.getpid()}")
    with written.open("wb") as file:
        file.write(orjson.dumps({"digest": contents.digest, "files": files}, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


def read_last_good(path: Path, directory: Path) -> KeptFiles:
    """The contents kept at `path`, in the place of what is in the directory now. Raises LastGoodUnreadable."""
    try:
        files = orjson.loads(path.read_bytes())["files"]
        return KeptFiles(directory, {name: text.encode() for name, text in files.items()})
    except OSError as error:
        raise LastGoodUnreadable(f"no copy of the last good rules at `{path}`: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LastGoodUnreadable(f"`{path}` is no copy of rules; remove it") from error
