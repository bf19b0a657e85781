"""The settings file as text: every value with the place it stands at.

In: a YAML file of sections. Out: texts by their dotted names, and faults. Rule of the file: nothing is given a meaning here,
so that a value in the file and one in the environment are read alike.
"""

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import yaml

from engine.errors import SettingsInvalid


class Placed(NamedTuple):
    """A text and where it was written: `config.yaml:3:9`, or the name of an environment variable."""

    text: str
    place: str


def read_settings_file(path: Path, known: Collection[str], lists: Collection[str], faults: list[str]) -> dict[str, Placed]:
    """The values of the file by dotted name (`http.port`), for all names that are `known`.

    Those in `lists` may be sequences; their text is that of the elements with `,` between them.

    What cannot be used is added to `faults`, a line each. Raises SettingsInvalid where nothing can be read at all.
    """
    try:
        root = yaml.compose(path.read_bytes().decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}; name a file that exists") from None
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise SettingsInvalid(_yaml_fault(path, error)) from None
    return _Reading(path, known, lists, faults).values(root)


class _Reading:
    def __init__(self, path: Path, known: Collection[str], lists: Collection[str], faults: list[str]) -> None:
        self._path = path
        self._known = known
        self._lists = lists
        self._faults = faults

    def values(self, root: yaml.Node | None) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        for name, node in self._entries(root, "").items():
            if name in self._known:
                self._keep(name, node, found)
            else:
                for inner, value in self._entries(node, f"{name}.").items():
                    self._keep(inner, value, found)
        return found

    def _entries(self, node: yaml.Node | None, prefix: str) -> dict[str, yaml.Node]:
        """The entries of a map by full name, without those that are unknown or written twice."""
        if node is None or _is_empty(node):
            return {}
        section = prefix.removesuffix(".")
        if not isinstance(node, yaml.MappingNode):
            self._fault(
                node, f"`{section}` is not a section; write its keys below it" if section else "the file is not a map of sections"
            )
            return {}
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            if not isinstance(key, yaml.ScalarNode) or not self._leads_somewhere(name):
                self._unknown(key, name, prefix)
            elif name in entries:
                self._fault(key, f"`{name}` is written twice; keep one")
            else:
                entries[name] = value
        return entries

    def _leads_somewhere(self, name: str) -> bool:
        return name in self._known or ("." not in name and any(known.startswith(f"{name}.") for known in self._known))

    def _unknown(self, key: yaml.Node, name: str, prefix: str) -> None:
        here = [known.removeprefix(prefix) for known in self._known if known.startswith(prefix)]
        places = dict.fromkeys(known.partition(".")[0] for known in here)
        shown = name if isinstance(key, yaml.ScalarNode) else "this key"
        self._fault(key, f"`{shown}` is no setting; {suggestion(name.removeprefix(prefix), places)}")

    def _keep(self, name: str, node: yaml.Node, found: dict[str, Placed]) -> None:
        if name in self._lists and isinstance(node, yaml.SequenceNode) and _is_list_of_texts(node):
            found[name] = Placed(",".join(element.value for element in node.value), self._place(node))
        elif not isinstance(node, yaml.ScalarNode):
            self._fault(node, f"`{name}` is not a single value; write one value after the `:`")
        elif _is_empty(node):
            self._fault(node, f"`{name}` is empty; write a value, or remove the line for the default")
        else:
            found[name] = Placed(node.value, self._place(node))

    def _fault(self, node: yaml.Node, message: str) -> None:
        self._faults.append(f"{self._place(node)}: {message}")

    def _place(self, node: yaml.Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def suggestion(word: str, known: Collection[str]) -> str:
    """What an unknown name was likely meant to be, or all the names there are."""
    near = difflib.get_close_matches(word.lower(), {name.lower(): name for name in known}, n=1)
    if near:
        return f"did you mean `{next(name for name in known if name.lower() == near[0])}`?"
    return "known here: " + ", ".join(f"`{name}`" for name in known)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in ("", "~", "null")


def _is_list_of_texts(node: yaml.SequenceNode) -> bool:
    return bool(node.value) and all(isinstance(element, yaml.ScalarNode) and not _is_empty(element) for element in node.value)


def _yaml_fault(path: Path, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        words = " ".join(part for part in (error.context, error.problem) if part)
        return f"{path}:{mark.line + 1}:{mark.column + 1}: not valid YAML: {words}"
    return f"{path}: not valid YAML: it holds characters that YAML does not take; save it as plain UTF-8 text"
