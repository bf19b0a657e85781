"""The settings file as text: every value with the place it stands at.

In: the bytes of a YAML file of sections, which is read as rule files are. Out: texts by their dotted names, and findings. Rule of the file:
nothing is given a meaning here, so that a value in the file and one in the environment are read alike.
"""

from collections.abc import Collection
from typing import NamedTuple

import orjson

from engine.rules.diagnostics import Findings, did_you_mean, shown
from engine.rules.loader import load_yaml
from engine.rules.nodes import ListNode, MapNode, Node, ScalarNode, is_null
from engine.rules.places import Span


class Placed(NamedTuple):
    """A text and where it was written; `place` is `config.yaml:3:9`, or the name of an environment variable."""

    text: str
    place: str
    span: Span


class FileValues(NamedTuple):
    """The values of a file by dotted name (`http.port`), and the places of values that nobody asked for."""

    values: dict[str, Placed]
    strange: list[Span]


def read_settings_file(
    file: str, data: bytes, known: Collection[str], lists: Collection[str], maps: Collection[str], findings: Findings
) -> FileValues:
    """The values for all names that are `known`.

    Those in `lists` may be sequences, and become their elements with `,` between them; those in `maps` may be maps, and become
    objects in JSON.
    """
    reading = _Reading(file, known, lists, maps, findings)
    root = load_yaml(file, data, findings)
    return FileValues(reading.values(root) if root is not None else {}, reading.strange)


class _Reading:
    def __init__(
        self, file: str, known: Collection[str], lists: Collection[str], maps: Collection[str], findings: Findings
    ) -> None:
        self.strange: list[Span] = []
        self._file = file
        self._known = known
        self._lists = lists
        self._maps = maps
        self._findings = findings

    def values(self, root: Node) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        for name, node in self._entries(root, "").items():
            if name in self._known:
                self._keep(name, node, found)
            else:
                for inner, value in self._entries(node, f"{name}.").items():
                    self._keep(inner, value, found)
        return found

    def _entries(self, node: Node, prefix: str) -> dict[str, Node]:
        """The entries of a map by full name, without those that are unknown."""
        if is_null(node):
            return {}
        section = prefix.removesuffix(".")
        if not isinstance(node, MapNode):
            message = f"`{section}` is not a section" if section else "the file is not a map of sections"
            self._findings.add("C002", message, node.span, help="write its keys below it" if section else "write `http:`, say")
            return {}
        entries: dict[str, Node] = {}
        for entry in node.entries:
            name = f"{prefix}{entry.key}"
            if self._leads_somewhere(name):
                entries[name] = entry.value
            else:
                self.strange.append(entry.value.span)
                here = [known.removeprefix(prefix) for known in self._known if known.startswith(prefix)]
                places = dict.fromkeys(known.partition(".")[0] for known in here)
                message = f"`{shown(name)}` is no setting"
                self._findings.add("C001", message, entry.key_span, help=did_you_mean(entry.key, places))
        return entries

    def _leads_somewhere(self, name: str) -> bool:
        return name in self._known or ("." not in name and any(known.startswith(f"{name}.") for known in self._known))

    def _keep(self, name: str, node: Node, found: dict[str, Placed]) -> None:
        place = f"{self._file}:{node.span.line}:{node.span.col}"
        if (
            name in self._lists
            and isinstance(node, ListNode)
            and node.items
            and all(isinstance(item, ScalarNode) for item in node.items)
        ):
            found[name] = Placed(",".join(item.text for item in node.items if isinstance(item, ScalarNode)), place, node.span)
        elif name in self._maps and isinstance(node, MapNode) and all(isinstance(one.value, ScalarNode) for one in node.entries):
            texts = {entry.key: entry.value.text for entry in node.entries if isinstance(entry.value, ScalarNode)}
            found[name] = Placed(orjson.dumps(texts).decode(), place, node.span)
        elif not isinstance(node, ScalarNode):
            self.strange.append(node.span)
            self._findings.add("C002", f"`{name}` is not a single value", node.span, help="write one value after the `:`")
        elif is_null(node):
            help = "write a value, or remove the line for the default"
            self._findings.add("C004", f"`{name}` is empty", node.span, help=help)
        else:
            found[name] = Placed(node.text, place, node.span)
