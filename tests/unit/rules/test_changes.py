"""What a change of rules changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.rules.changes import Changes, changes, same_filters
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan

RULES = """\
version: 1
events: {type: kind, time: at, types: {answer: {}}}
deduplication: {answer: {key: id, ttl: 24h}}
conditions: {short: {points: {lt: 5}}}
lists: {bots: [curl, wget]}
routes: {vip: {topic: events.vip}}
enrichment: {sources: {person: {lookup: user, from: {file: {path: people.json}}}}}
aggregations:
  by_user: {key: {user: user}, window: {tumbling: 1h}, max_keys: 1000, when: {use: short}, measures: {n: count}}
filters:
  small: {when: {use: short}, then: {allow: {mark: small}}}
  bots: {when: {agent: {in: {list: bots}}}, then: {block: {}}}
  rich: {when: {plan: premium}, then: {route: {to: vip}}}
"""
Compile = Callable[..., Plan]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    def compile_text(text: str, folder: str = "rules") -> Plan:
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        (directory / "rules.yaml").write_text(text)
        plan = compile_rules(directory, {}).plan
        assert plan is not None
        return plan

    return compile_text


def changed(compiled: Compile, old: str, new: str, text: str = RULES) -> Changes:
    assert old in text
    return changes(compiled(text), compiled(text.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "filters"),
    [
        ("mark: small", "mark: tiny", ["small"]),
        ("{lt: 5}", "{lt: 6}", ["small"]),
        ("[curl, wget]", "[curl]", ["bots"]),
        ("{block: {}}", "{block: {}}, mode: shadow", ["bots"]),
        ("then: {block: {}}", "description: of robots, then: {block: {}}", []),
        ("version: 1\n", "version: 1\n# a comment\n", []),
        ("  small: {when: {use: short}", "  small: {when: {points: {lt: 5}}", []),
        ("then: {route: {to: vip}}", "order: -5, then: {route: {to: vip}}", []),
    ],
)
def test_a_filter_is_changed_where_it_means_something_else(compiled: Compile, old: str, new: str, filters: list[str]) -> None:
    assert list(changed(compiled, old, new).filters.changed) == filters


def test_what_came_and_what_went_is_named(compiled: Compile) -> None:
    found = changed(compiled, "  small: {when", "  little: {when").filters
    assert (found.added, found.removed, found.changed, found.same) == (("little",), ("small",), (), ("bots", "rich"))


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [("{lt: 5}", "{lt: 6}", False), ("max_keys: 1000", "max_keys: 2000", True), ("tumbling: 1h", "tumbling: 2h", False)],
)
def test_an_aggregation_keeps_its_state_where_that_means_the_same(compiled: Compile, old: str, new: str, kept: bool) -> None:
    found = changed(compiled, old, new).aggregations
    assert (found.same, found.changed) == ((("by_user",), ()) if kept else ((), ("by_user",)))


def test_a_source_in_another_directory_is_another_one(compiled: Compile) -> None:
    here, there = compiled(RULES), compiled(RULES, "elsewhere")

    assert changes(here, compiled(RULES)).sources.same == ("person",)
    assert changes(here, there).sources.changed == ("person",)
    assert changed(compiled, "ttl: 24h", "ttl: 12h").deduplication.changed == ("answer",)


def test_filters_are_found_again_wherever_they_stand(compiled: Compile) -> None:
    first = compiled(RULES)
    moved = compiled(
        RULES.replace("then: {route: {to: vip}}", "order: -5, then: {route: {to: vip}}").replace("mark: small", "mark: x")
    )

    assert [rule.id for rule in moved.ruleset.filters] == ["rich", "small", "bots"]
    assert same_filters(first, moved) == [(2, 0), (1, 2)]
