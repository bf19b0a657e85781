"""A rules directory, read once.

In: a directory. Out: the bytes of its files, and a digest of them. Rule of the file: the one place of the rules that touches the file system;
everything after works on these bytes, so that a file saved meanwhile cannot mix two versions.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from engine.errors import RulemillError
from engine.rules.loader import MAX_FILE_BYTES

_SUFFIXES: Final = (".yaml", ".yml")
_MAX_FILES: Final = 10_000


class RulesUnreadable(RulemillError):
    """There is no rules directory, or it cannot be read. The text names the path. Nothing was loaded."""


def read_rule_files(directory: Path) -> dict[str, bytes]:
    """Every `*.yaml` and `*.yml` below the directory, by path as shown to people, in the order of their relative paths.

    Hidden files and directories are left out: editors keep copies there, and mounted ConfigMaps their versions. A file
    beyond the loader's limit is read just far enough for the loader to refuse it.

    Raises:
        RulesUnreadable: no such directory, no rule file in it, or a file that cannot be read.

    """
    if not directory.is_dir():
        raise RulesUnreadable(f"there is no rules directory `{directory}`")
    paths = sorted(_rule_files(directory), key=lambda path: path.relative_to(directory).as_posix())
    if not paths:
        raise RulesUnreadable(f"there are no `*.yaml` files in `{directory}`")
    if len(paths) > _MAX_FILES:
        raise RulesUnreadable(f"there are more than {_MAX_FILES:,} rule files in `{directory}`")
    try:
        return {str(path): _read(path) for path in paths}
    except OSError as error:
        raise RulesUnreadable(f"cannot read `{error.filename}`: {error.strerror}") from error


def read_beside(rule_file: str, name: str) -> tuple[str, bytes]:
    """A file that a rule file names relative to itself: its path as shown to people, and its bytes.

    Raises OSError where there is none, or it cannot be read.
    """
    path = Path(os.path.normpath(Path(rule_file).parent / name))
    return str(path), _read(path)


def digest_of(directory: Path, files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, over relative paths and contents; the same wherever the directory lies."""
    digest = hashlib.sha256()
    relative = {Path(os.path.relpath(file, directory)).as_posix(): data for file, data in files.items()}
    for name in sorted(relative):
        for part in (name.encode(errors="surrogateescape"), relative[name]):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _rule_files(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


def _refuse(error: OSError) -> None:
    raise RulesUnreadable(f"cannot read `{error.filename}`: {error.strerror}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)
