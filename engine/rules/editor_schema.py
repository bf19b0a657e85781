"""A JSON Schema of rule files, for editors: completion, texts while the mouse rests on a word, mistakes as they are typed.

In: a rules directory, with errors or without. Out: one document that knows the project's own fields. Rule of the file: the schema refuses
what the parser refuses where plain keywords can say so; `rulemill validate` remains the one that knows.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from engine.rules import editor_rules, editor_sections
from engine.rules.check_fields import _element_only
from engine.rules.compiler import MEASURE_PLUGINS, SOURCE_PLUGINS
from engine.rules.diagnostics import Findings
from engine.rules.editor_conditions import condition_definitions
from engine.rules.editor_fields import known_fields
from engine.rules.editor_parts import Schema, choice, closed, definitions, described, named, path_definition, ref
from engine.rules.editor_sections import Names
from engine.rules.loader import load_yaml
from engine.rules.model import Ruleset
from engine.rules.parse_sources import Surroundings
from engine.rules.parser import _ROUTINGS, SECTIONS, parse
from engine.rules.schema_files import read_schemas
from engine.rules.snapshot import read_beside, read_rule_files
from engine.rules.source_settings import BUILT_IN_SOURCES

SECTION_HELP: Final = {
    "events": "The event types, and where an event says what it is, when it happened and whose it is.",
    "deduplication": "Which fields make two messages the same event, and for how long a copy is recognised.",
    "enrichment": "What is looked up for an event, and what is computed from it.",
    "aggregations": "What is counted, for whom, and over which stretch of time.",
    "filters": "Which events are stopped, marked, changed or sent elsewhere.",
    "routes": "Where records can be sent beside the main topic.",
    "conditions": "Named conditions, used as `{use: NAME}`.",
    "lists": "Named lists of values, used as `{list: NAME}`.",
    "tests": "What must come out of which events.",
}


def editor_schema(directory: Path) -> Schema:
    """The schema for the rule files of a directory. Faults in them only make it know less.

    Raises:
        RulesUnreadable: there is nothing to read, or it cannot be read.

    """
    sources, measures = _plugins(SOURCE_PLUGINS), _plugins(MEASURE_PLUGINS)
    ruleset = _understood(directory, {*BUILT_IN_SOURCES, *sources}, measures)
    names = Names(
        tuple(ruleset.events.types),
        tuple(ruleset.routes),
        tuple(rule.id for rule in ruleset.filters),
        tuple(ruleset.aggregations),
        sources,
        measures,
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:rulemill:rules",
        "title": "Rulemill rules",
        **closed(_properties(ruleset, names), ["version"]),
        "$defs": _definitions(ruleset, names),
    }


def _plugins(group: str) -> frozenset[str]:
    return frozenset(plugin.name for plugin in entry_points(group=group))


def _understood(directory: Path, source_kinds: set[str], measures: frozenset[str]) -> Ruleset:
    """What can be made of the files; their findings are `rulemill validate`'s to report."""
    ignored = Findings()
    nodes = {file: load_yaml(file, data, ignored) for file, data in read_rule_files(directory).items()}
    schemas = read_schemas(nodes, read_beside, ignored).schemas
    return parse(nodes, schemas, "", Surroundings({}, source_kinds), measures, ignored).ruleset


def _properties(ruleset: Ruleset, names: Names) -> Mapping[str, object]:
    sections = {
        "events": editor_sections.events(names),
        "deduplication": editor_sections.deduplication(names),
        "enrichment": editor_sections.enrichment(),
        "aggregations": editor_sections.aggregations(names),
        "filters": editor_rules.filters(),
        "routes": editor_sections.routes(),
        "conditions": _conditions(ruleset),
        "lists": editor_sections.lists(),
        "tests": editor_rules.tests(),
    }
    return {
        "version": {"const": 1, "description": "The version of the rules language."},
        **{name: described(SECTION_HELP[name], sections[name]) for name in SECTIONS},
        "routing": choice("Whether all filters that match act, or only the first.", _ROUTINGS),
    }


def _conditions(ruleset: Ruleset) -> Schema:
    """Named conditions; in those that only `some` and `every` use, paths start at an element."""
    section = named(ref("condition"))
    inside = {rule_id.partition(".")[2]: ref("element_condition") for rule_id in sorted(_element_only(ruleset))}
    return {**section, "properties": inside}


def _definitions(ruleset: Ruleset, names: Names) -> dict[str, Schema]:
    fields = known_fields(ruleset)
    return {
        **definitions(),
        "path": path_definition(field.path for field in fields),
        **condition_definitions(fields, ruleset.lists, ruleset.conditions),
        "place_to_ask": editor_sections.place_to_ask(names),
        "action": editor_rules.action(names),
        **editor_rules.test_definitions(names),
    }
