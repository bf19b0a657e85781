"""A rules directory, read once.

In: a directory. Out: the bytes of its files, and a digest of them. Rule of the file: the one place of the rules that touches the file system;
everything after works on these bytes, so that a file saved meanwhile cannot mix two versions. The bytes may also be kept, by path relative to
the directory, and take its place later.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
        raise RulesUnreadable(f"there is no rules directory `{directory}`: run this beside it, or give its path")
    paths = sorted(_rule_files(directory), key=lambda path: path.relative_to(directory).as_posix())
    if not paths:
        raise RulesUnreadable(f"there are no `*.yaml` files in `{directory}`")
    if len(paths) > _MAX_FILES:
        raise RulesUnreadable(f"there are more than {_MAX_FILES:,} rule files in `{directory}`")
    try:
        return {str(path): _read(path) for path in paths}
    except OSError as error:
        raise RulesUnreadable(f"cannot read `{error.filename}`: {error.strerror}") from error


def path_beside(rule_file: str, name: str) -> str:
    """The path, as shown to people, of a file that a rule file names relative to itself."""
    return os.path.normpath(Path(rule_file).parent / name)


def read_beside(path: str) -> bytes:
    """A file that a rule file names. Raises OSError where there is none, or it cannot be read."""
    return _read(Path(path))


def digest_of(directory: Path, files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, over relative paths and contents; the same wherever the directory lies."""
    digest = hashlib.sha256()
    relative = relative_to(directory, files)
    for name in sorted(relative):
        for part in (name.encode(errors="surrogateescape"), relative[name]):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def relative_to(directory: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files by their path from the directory, as they can be kept."""
    return {Path(os.path.relpath(file, directory)).as_posix(): data for file, data in files.items()}


def digest_now(directory: Path, named: Iterable[str]) -> str:
    """The digest of the directory as it is, with those of the `named` files beside it that can be read.

    Equal to the digest of a ruleset that was loaded from the same contents. Raises RulesUnreadable as `read_rule_files` does.
    """
    files = read_rule_files(directory)
    for path in named:
        with suppress(OSError, ValueError):
            files[path] = read_beside(path)
    return digest_of(directory, files)


class KeptFiles:
    """Files that were read before, in the place of the directory they came from."""

    def __init__(self, directory: Path, relative: Mapping[str, bytes]) -> None:
        self._directory = directory
        self._by_path = {os.path.normpath(directory / name): data for name, data in relative.items()}
        self._relative = relative

    def rule_files(self) -> dict[str, bytes]:
        """As `read_rule_files`."""
        names = sorted(name for name in self._relative if _is_rule_file(name))
        return {str(self._directory / name): self._relative[name] for name in names}

    def beside(self, path: str) -> bytes:
        """As `read_beside`."""
        if path not in self._by_path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self._by_path[path]


def _is_rule_file(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not any(part.startswith(".") for part in name.split("/"))


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
