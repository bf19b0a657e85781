"""The sources of the section `enrichment`: where context is looked up, how answers are kept, when a place is left alone.

In: the node of a source and the environment. Out: `model.Source`. Rule of the file: `${NAME}` is replaced in the settings of a source and nowhere
else, after the YAML was read, so that no value of the environment can change what a file means; such values are never shown.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, cast

from engine.rules.diagnostics import Findings, did_you_mean, shown
from engine.rules.durations import as_duration
from engine.rules.loader import resolve
from engine.rules.model import MAX_WAITING, Breaker, Cache, Path, Source, SourceSpec
from engine.rules.nodes import Entry, ListNode, MapNode, Node, ScalarNode, plain_value
from engine.rules.reading import MapReader, described, one_or_many, read_duration_ms, read_items, read_map, read_text, read_whole
from engine.rules.source_settings import (
    BUILT_IN_SOURCES,
    DATABASE_URL,
    HEADER_NAME,
    HEADER_VALUE,
    HTTP_URL,
    PARAMETER,
    PLACEHOLDER,
    REDIS_URL,
    Setting,
)

RESERVED_NAMES: Final = frozenset(("derived", "status", "enrichment", "processing"))

_MAX_ENTRIES: Final = 100_000_000
_MOST_WAITING: Final = 10_000_000
_LEAST_RATE: Final = 0.01
_MAX_DIGITS: Final = 10
_MEANINGS: Final = {
    "{key}": "the key that is looked up",
    "{keys}": "the keys that are looked up, parted by commas",
    ":key": "the key that is looked up",
    ":keys": "several in `id in :keys`",
}
_URLS: Final = {
    "http": (HTTP_URL, "http://host:port/path/{key}"),
    "redis": (REDIS_URL, "redis://host:6379/0"),
    "sql": (DATABASE_URL, "postgresql://user@host/database"),
}
_UNTOLD: Final = Path("", ())
"""Where a source is at fault for want of the field to look up, what it brings is known all the same."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine provides: environment variables, and the kinds of source that can be built."""

    environ: Mapping[str, str]
    source_kinds: Collection[str]


def read_source(entry: Entry, surroundings: Surroundings, findings: Findings) -> Source | None:
    """One source; None where it cannot be made sense of."""
    if entry.key in RESERVED_NAMES:
        findings.add(
            "E307",
            f"a source cannot be called `{entry.key}`",
            entry.key_span,
            help="the record has a member of that name already",
        )
    reader = read_map(entry.value, f"the source `{entry.key}`", findings)
    if reader is None:
        return None
    lookup = reader.path("lookup", required=True, example="lookup: user_id")
    asked = reader.take("from", required=True, example="from: {file: {path: users.json}}")
    fallback = reader.take("fallback")
    nodes = ([asked] if asked else []) + list(one_or_many(fallback, "`fallback`", findings) if fallback else ())
    chain = [_spec(node, surroundings, findings) for node in nodes]
    cache = _cache(reader.map("cache"))
    breaker = _breaker(reader.map("breaker"))
    max_waiting = reader.integer("max_waiting", MAX_WAITING, 1, _MOST_WAITING)
    fields = reader.take("fields")
    names = tuple(read_text(item, "a field", findings) for item in read_items(fields, "`fields`", findings)) if fields else ()
    default = reader.map("default")
    reader.finish()
    known = tuple(spec for spec in chain if spec is not None)
    value = cast("Mapping[str, object]", plain_value(default.node)) if default else None
    return Source(entry.key, lookup or _UNTOLD, known, cache, breaker, names, value, max_waiting, entry.key_span)


def _spec(node: Node, surroundings: Surroundings, findings: Findings) -> SourceSpec | None:
    if not isinstance(node, MapNode) or len(node.entries) != 1:
        help = "write `{file: {path: users.json}}`; several places to ask are `from` and a list under `fallback`"
        findings.add("E203", f"one place to ask is expected, not {_counted(node)}", node.span, help=help)
        return None
    entry = node.entries[0]
    if entry.key not in surroundings.source_kinds:
        message = f"there is no kind of source `{shown(entry.key)}` here"
        findings.add_unknown("E303", message, entry.key_span, entry.key, sorted(surroundings.source_kinds))
        return None
    reader = read_map(entry.value, f"`{entry.key}`", findings)
    if reader is None:
        return None
    settings = cast("dict[str, object]", _replaced(reader.node, surroundings.environ, findings))
    if entry.key in BUILT_IN_SOURCES:
        settings = _SettingsReader(entry.key, reader, settings, surroundings.environ).read()
    return SourceSpec(entry.key, settings, entry.key_span)


def _counted(node: Node) -> str:
    return f"a map of {len(node.entries)}" if isinstance(node, MapNode) else described(node)


class _SettingsReader:
    """Checks the settings of one place, the environment's values among them, and gives those left out their defaults."""

    def __init__(self, kind: str, reader: MapReader, given: Mapping[str, object], environ: Mapping[str, str]) -> None:
        self._kind = kind
        self._known = BUILT_IN_SOURCES[kind]
        self._reader = reader
        self._findings = reader.findings
        self._given = given
        self._environ = environ

    def read(self) -> dict[str, object]:
        settings: dict[str, object] = {}
        for name, setting in self._known.settings.items():
            node = self._reader.take(name, required=setting.required, example=f"{name}: …")
            value = None if node is None or self._unset(node) else self._value(name, setting, node)
            value = setting.default if value is None else value
            if value is not None:
                settings[name] = value
        self._reader.finish()
        for name, value in settings.items():
            node = self._reader.node.get(name)
            if isinstance(node, ScalarNode) and isinstance(value, str):
                if name in self._known.marks:
                    self._check_marks(name, value, node)
                if name.endswith("url") and self._kind in _URLS:
                    self._check_url(name, value, node)
        self._check_needs(settings)
        return settings

    def _unset(self, node: Node) -> bool:
        """Whether the text has variables that nothing stands for: that was said already."""
        text = node.text if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
        variables = [self._environ.get(match[1]) or match[2] for match in _VARIABLE.finditer(text)]
        return None in variables or "${" in _VARIABLE.sub("", text)

    def _value(self, name: str, setting: Setting, node: Node) -> object:
        what = f"`{name}`"
        if setting.form == "headers":
            return self._headers(node)
        if setting.form == "text":
            written = read_text(node, what, self._findings)
            text = str(self._given[name]) if written else ""
            if written and not text:
                self._findings.add("E203", f"{what} is empty, for its variable is", node.span)
            return self._chosen(what, text, setting, node) if setting.choices and text else text or None
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            text = str(self._given[name])
            node = ScalarNode(_number_or_text(text), text, node.plain, node.span)
        if setting.form == "whole":
            return read_whole(node, what, setting.least, setting.most, self._findings)
        duration_ms = read_duration_ms(node, what, self._findings)
        if duration_ms is not None and not setting.least <= duration_ms <= setting.most:
            help = f"between `{as_duration(setting.least)}` and `{as_duration(setting.most)}`"
            self._findings.add("E504", f"{what} of {as_duration(duration_ms)} is out of range", node.span, help=help)
        return duration_ms

    def _chosen(self, what: str, text: str, setting: Setting, node: Node) -> str | None:
        if text in setting.choices:
            return text
        self._findings.add("E203", f"{what} cannot be `{shown(text)}`", node.span, help=did_you_mean(text, setting.choices))
        return None

    def _headers(self, node: Node) -> dict[str, str] | None:
        reader = read_map(node, "`headers`", self._findings)
        given = cast("dict[str, object]", self._given["headers"])
        for entry in reader.node.entries if reader else ():
            if not HEADER_NAME.fullmatch(entry.key):
                self._findings.add("E213", f"`{shown(entry.key)}` cannot be the name of a header", entry.key_span)
            text = read_text(entry.value, f"`{shown(entry.key)}`", self._findings)
            if text and not HEADER_VALUE.fullmatch(str(given[entry.key])):
                help = "a secret that was read from a file often ends with one"
                message = f"the value of `{shown(entry.key)}` holds a line break or another control character"
                self._findings.add("E203", message, entry.value.span, help=help)
        return {name: str(value) for name, value in given.items()} if reader else None

    def _check_marks(self, name: str, text: str, node: ScalarNode) -> None:
        """The key must be named, and where the author wrote something like it, it must be that."""
        marks = self._known.marks[name]
        help = ", and ".join(f"`{mark}` stands for {_MEANINGS[mark]}" for mark in marks)
        unknown = [mark for mark in _marks_in(name, _VARIABLE.sub("", node.text)) if mark not in marks]
        found = {mark for mark in _marks_in(name, text) if mark in marks}
        if unknown:
            self._findings.add("E203", f"`{shown(unknown[0])}` in `{name}` stands for nothing", node.span, help=help)
        elif not found:
            self._findings.add("E203", f"`{name}` has no `{marks[0]}`", node.span, help=help)
        elif len(found) > 1:
            self._findings.add("E203", f"`{name}` has both `{marks[0]}` and `{marks[1]}`", node.span, help=help)

    def _check_url(self, name: str, text: str, node: ScalarNode) -> None:
        pattern, example = _URLS[self._kind]
        if not pattern.fullmatch(text):
            seen = "the value of its variable" if "${" in node.text else f"`{shown(node.text)}`"
            variable = ", a variable as `${NAME}`" if "$" in node.text and "${" not in node.text else ""
            self._findings.add("E203", f"`{name}` cannot be {seen}", node.span, help=f"write `{example}`{variable}")

    def _check_needs(self, settings: Mapping[str, object]) -> None:
        for name, setting in self._known.settings.items():
            node = self._reader.node.get(name)
            if node is None or not setting.needs or setting.needs in settings:
                continue
            if setting.needs not in _marks_in("query", str(settings.get("query"))):
                self._findings.add("E217", f"`{name}` does nothing without `{setting.needs}`", node.span)


def _marks_in(name: str, text: str) -> list[str]:
    return [f":{found}" for found in PARAMETER.findall(text)] if name == "query" else PLACEHOLDER.findall(text)


def _number_or_text(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else text


def _replaced(node: Node, environ: Mapping[str, str], findings: Findings) -> object:
    """The node as plain values, with the environment's in place of `${NAME}`."""
    match node:
        case MapNode():
            return {entry.key: _replaced(entry.value, environ, findings) for entry in node.entries}
        case ListNode():
            return [_replaced(item, environ, findings) for item in node.items]
        case ScalarNode() if isinstance(node.value, str) and "${" in node.value:
            return _replaced_text(node, environ, findings)
    return plain_value(node)


def _replaced_text(node: ScalarNode, environ: Mapping[str, str], findings: Findings) -> object:
    def value_of(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        value = environ.get(name) or default
        if value is None:
            help = f"set it, or write a default: `${{{name}:-…}}`"
            findings.add("E306", f"the environment variable `{name}` is not set", node.span, help=help)
        return value or ""

    text = _VARIABLE.sub(value_of, node.text)
    if "${" in _VARIABLE.sub("", node.text):
        findings.add(
            "E306",
            f"`{shown(node.text)}` has a `${{` that names no variable",
            node.span,
            help="write `${NAME}` or `${NAME:-default}`",
        )
    try:
        return resolve(text) if node.plain and _VARIABLE.fullmatch(node.text) else text
    except ValueError:
        return text


def _cache(reader: MapReader | None) -> Cache:
    if reader is None:
        return Cache()
    local, shared = reader.map("local"), reader.map("shared")
    local_ttl_ms, max_entries = None, Cache().local_max_entries
    if local:
        local_ttl_ms = local.duration_ms("ttl", 0, minimum_ms=1, required=True, example="ttl: 5m")
        max_entries = local.integer("max_entries", max_entries, 1, _MAX_ENTRIES)
        local.finish()
    shared_ttl_ms = None
    if shared:
        shared_ttl_ms = shared.duration_ms("ttl", 0, minimum_ms=1, required=True, example="ttl: 15m")
        shared.finish()
    negative_ttl_ms = reader.duration_ms("negative_ttl", 0) or None
    stale_ms = reader.duration_ms("stale_if_error", 0) or None
    ahead = reader.number("refresh_ahead", 0, 0, 1) or None
    reader.finish()
    for name in ("negative_ttl", "stale_if_error", "refresh_ahead"):
        node = reader.node.get(name)
        if local is None and node is not None and not (shared and name == "negative_ttl"):
            reader.findings.add("E217", f"`{name}` does nothing without `local`", node.span, help="write `local: {ttl: 5m}`")
    return Cache(local_ttl_ms, max_entries, shared_ttl_ms, negative_ttl_ms, stale_ms, ahead)


def _breaker(reader: MapReader | None) -> Breaker | None:
    if reader is None:
        return None
    usual = Breaker()
    breaker = Breaker(
        reader.integer("failures", usual.failures, 1, 1_000_000),
        reader.number("failure_rate", usual.failure_rate, _LEAST_RATE, 1),
        reader.duration_ms("window", usual.window_ms, minimum_ms=1),
        reader.integer("min_calls", usual.min_calls, 1, 1_000_000),
        reader.duration_ms("open_for", usual.open_for_ms, minimum_ms=1),
        reader.duration_ms("max_open_for", usual.max_open_for_ms, minimum_ms=1),
    )
    reader.finish()
    if breaker.open_for_ms > breaker.max_open_for_ms:
        message = f"`open_for` of {as_duration(breaker.open_for_ms)} is longer than `max_open_for` of {as_duration(breaker.max_open_for_ms)}"
        reader.findings.add("E504", message, reader.node.span)
    return breaker
