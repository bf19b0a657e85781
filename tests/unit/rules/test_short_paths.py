"""`enrichment.user.country` is `user.country`: for whoever compares rules, for the checks, and for the events."""

from pathlib import Path

import pytest

from engine.rules.changes import changes
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan

SHORT = """\
version: 1
events: {type: type, time: at, types: {order: {}}}
enrichment:
  sources:
    user: {lookup: user_id, from: {file: {path: users.json}}, fields: [country, level, tags]}
  derived:
    hour: {hour: at}
    over: {difference: [user.level, 5]}
conditions:
  abroad: {user.country: {ne: NO, if_missing: no_match}}
  named: {user.country: NO}
filters:
  high: {when: {user.level: {gt: 5}, country: {eq: {field: user.country}}}, then: {transform: {set: {level: {field: user.level}}}}}
  foreign: {when: {any: [{use: abroad}, {user.tags: {some: {enrichment.user.level: 1}}}]}, then: {block: {}}}
  known: {when: {people: {some: {use: named}}}, then: {allow: {}}}
aggregations:
  by_country:
    when: {derived.hour: {gte: 12}}
    key: {country: user.country}
    window: {tumbling: 1h}
    max_keys: 10
    measures: {orders: count, high: {count: {user.level: 9}}, level: {avg: user.level}, over: {max: derived.over}}
"""
LONG = (
    SHORT.replace("{user.level: {gt", "{enrichment.user.level: {gt")
    .replace("field: user.", "field: enrichment.user.")
    .replace("abroad: {user.", "abroad: {$.enrichment.user.")
    .replace("{user.tags", "{enrichment.user.tags")
    .replace("[user.level", "[enrichment.user.level")
    .replace("when: {derived.", "when: {enrichment.derived.")
    .replace("country: user.", "country: enrichment.user.")
    .replace("{user.level: 9}", "{enrichment.user.level: 9}")
    .replace("avg: user.", "avg: enrichment.user.")
    .replace("max: derived.", "max: enrichment.derived.")
)


def plan(directory: Path, text: str) -> Plan:
    directory.mkdir()
    (directory / "users.json").write_text("{}")
    (directory / "rules.yaml").write_text(text)
    compiled = compile_rules(directory, {})
    assert compiled.plan is not None, compiled.findings
    return compiled.plan


def test_the_long_name_means_the_same(tmp_path: Path) -> None:
    difference = changes(plan(tmp_path / "short", SHORT), plan(tmp_path / "long", LONG))

    assert difference.filters.same == ("high", "foreign", "known")
    assert difference.aggregations.same == ("by_country",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("some: {enrichment.user.level: 1}", "some: {user.level: 1}"),
        ("abroad: {user.country", "abroad: {enrichment.users.country"),
    ],
)
def test_within_an_element_and_where_there_is_no_such_source_it_is_another(tmp_path: Path, old: str, new: str) -> None:
    assert old in SHORT

    difference = changes(plan(tmp_path / "short", SHORT), plan(tmp_path / "long", SHORT.replace(old, new)))

    assert difference.filters.changed == ("foreign",)


def test_a_condition_that_is_used_in_an_element_keeps_its_paths(tmp_path: Path) -> None:
    long = SHORT.replace("named: {user.country", "named: {enrichment.user.country")

    assert changes(plan(tmp_path / "short", SHORT), plan(tmp_path / "long", long)).filters.changed == ("known",)
