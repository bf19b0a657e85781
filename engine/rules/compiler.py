"""From a rules directory to a ruleset: the one way, for the server, for a reload and for every command.

In: a directory and what the machine provides. Out: the ruleset, or all findings. Rule of the file: what passes here runs; whoever wants rules
calls this, so that nothing can pass in one place and fail in another.
"""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from engine.rules.allowances import allow
from engine.rules.checks import check
from engine.rules.diagnostics import Finding, Findings
from engine.rules.lints import lint
from engine.rules.loader import load_yaml
from engine.rules.model import Ruleset
from engine.rules.nodes import MapNode, Node
from engine.rules.parse_sources import Surroundings
from engine.rules.parser import parse
from engine.rules.plan import Plan, make_plan, rehearse
from engine.rules.schema_files import read_schemas
from engine.rules.short_paths import with_short_paths
from engine.rules.snapshot import KeptFiles, digest_of, read_beside, read_rule_files
from engine.rules.source_settings import BUILT_IN_SOURCES

MEASURE_PLUGINS: Final = "rulemill.measures"
SOURCE_PLUGINS: Final = "rulemill.sources"
_KEPT_FILES: Final = 32
_KEPT_FILE_BYTES: Final = 32_768
"""Files up to this size are kept as read; as nodes they take about twenty times as much."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of a directory: rule files and schemas by path, as findings name them, and the digest of all.

    `named` are the schemas that were asked for, also those that could not be read.
    """

    digest: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a directory.

    `ruleset` is None where there are errors among the findings. `sources` are the texts of the rule files and schemas by
    path, as findings name them.
    """

    ruleset: Ruleset | None
    findings: list[Finding]
    sources: Mapping[str, str]
    contents: Contents = Contents()


def load_ruleset(
    directory: Path,
    environ: Mapping[str, str],
    source_kinds: Collection[str] = frozenset(BUILT_IN_SOURCES),
    kept: KeptFiles | None = None,
) -> Loaded:
    """Read, parse, check and lint a rules directory, or in its place what was kept of it.

    `environ` fills `${NAME}` in source settings; `source_kinds` are the kinds of enrichment source that can be built
    without a plug-in. Warnings leave the ruleset usable.

    Raises:
        RulesUnreadable: there is nothing to read, or it cannot be read.

    """
    findings = Findings()
    files = read_rule_files(directory) if kept is None else kept.rule_files()
    nodes = {file: _read_yaml(file, data, findings) for file, data in files.items()}
    schemas = read_schemas(nodes, read_beside if kept is None else kept.beside, findings)
    contents = {**files, **schemas.contents}
    digest = digest_of(directory, contents)
    surroundings = Surroundings(environ, {*source_kinds, *_plugins(SOURCE_PLUGINS)})
    written = parse(nodes, schemas.schemas, digest, surroundings, _plugins(MEASURE_PLUGINS), findings)
    if any(b"enrichment." in data for data in files.values()):
        written = replace(written, ruleset=with_short_paths(written.ruleset))
    if all(isinstance(node, MapNode) for node in nodes.values()):
        check(written, findings)  # without one of the files nobody knows which names there are
    if not findings.has_errors:
        lint(written, findings)
    sources = {file: data.decode("utf-8-sig", errors="replace") for file, data in contents.items()}
    ruleset = None if findings.has_errors else written.ruleset
    texts = {file: sources[file] for file in files}
    found = allow(texts, findings.in_order(), complete=not findings.has_errors)
    return Loaded(ruleset, found, sources, Contents(digest, contents, frozenset(schemas.named)))


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of a directory: a plan, or None where there are errors among the findings."""

    plan: Plan | None
    findings: list[Finding]
    sources: Mapping[str, str]
    contents: Contents = Contents()


def compile_rules(
    directory: Path,
    environ: Mapping[str, str],
    source_kinds: Collection[str] = frozenset(BUILT_IN_SOURCES),
    kept: KeptFiles | None = None,
) -> Compiled:
    """Load a rules directory as `load_ruleset` does, and compile what is free of errors. What comes back as a plan, runs."""
    loaded = load_ruleset(directory, environ, source_kinds, kept)
    plan = None if loaded.ruleset is None else make_plan(loaded.ruleset)
    return Compiled(plan, loaded.findings, loaded.sources, loaded.contents)


def check_rules(directory: Path, environ: Mapping[str, str]) -> Loaded:
    """As `compile_rules`, for whoever wants the findings and no plan. What comes back as a ruleset, compiles."""
    loaded = load_ruleset(directory, environ)
    if loaded.ruleset is not None:
        rehearse(loaded.ruleset)
    return loaded


def _read_yaml(file: str, data: bytes, findings: Findings) -> Node | None:
    """As `load_yaml`. To read YAML takes half the time of a reload, and most files are the same as before it."""
    if len(data) > _KEPT_FILE_BYTES:
        return load_yaml(file, data, findings)
    node, found = _read_before(file, data)
    findings.extend(found)
    return node


@lru_cache(maxsize=_KEPT_FILES)
def _read_before(file: str, data: bytes) -> tuple[Node | None, tuple[Finding, ...]]:
    findings = Findings()
    node = load_yaml(file, data, findings)
    return node, tuple(findings.in_order())


def _plugins(group: str) -> frozenset[str]:
    return _installed(group, tuple(sys.path))


@lru_cache(maxsize=8)
def _installed(group: str, _where: tuple[str, ...]) -> frozenset[str]:
    """The plug-ins of a group; to look through all packages takes as long as to compile some rules."""
    return frozenset(plugin.name for plugin in entry_points(group=group))
