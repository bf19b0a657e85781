"""Sources handed on from one generation to the next, and built by whoever is installed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from textwrap import dedent

import pytest

from engine.app import SOURCE_KINDS
from engine.enrichment.pool import SourcePool
from engine.errors import LookupFailed, SettingsInvalid
from engine.ports import Context
from engine.rules.compiler import compile_rules
from engine.rules.model import Enrichment
from engine.testing import ManualClock

PLUG_IN = """
class Source:
    def __init__(self, settings):
        from engine.ports import LookupLimits
        if "refuse" in settings:
            raise RuntimeError("no such thing")
        self.limits, self.settings = LookupLimits(max_keys=10), settings

    async def lookup(self, keys):
        return {key: {"greeting": self.settings["word"] + " " + key} for key in keys}

    async def close(self):
        with open(self.settings["log"], "a") as log:
            log.write("closed ")
"""
RULES = """
version: 1
events: {type: kind, time: at, types: {a: {}}}
enrichment:
  sources:
    user: {lookup: user_id, from: {greeter: {word: hello, log: %s}}, cache: {local: {ttl: 5m}}}
    item: {lookup: item_id, from: {file: {path: items.json}}}
"""


@pytest.fixture
def directory(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> FilePath:
    """A directory with rules, and a plug-in that is installed."""
    site = tmp_path / "site"
    (site / "greeter-1.0.dist-info").mkdir(parents=True)
    (site / "greeter.py").write_text(dedent(PLUG_IN))
    (site / "greeter-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
    (site / "greeter-1.0.dist-info" / "entry_points.txt").write_text("[rulemill.sources]\ngreeter = greeter:Source\n")
    monkeypatch.syspath_prepend(site)
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES % (tmp_path / "log"))
    (rules / "items.json").write_text(json.dumps({"i1": {"level": 3}}))
    (tmp_path / "log").write_text("")
    return rules


def enrichment(directory: FilePath, environ: Mapping[str, str] | None = None) -> Enrichment:
    compiled = compile_rules(directory, environ or {}, SOURCE_KINDS)
    assert compiled.plan is not None, compiled.findings
    return compiled.plan.ruleset.enrichment


def closed(directory: FilePath) -> int:
    return (directory.parent / "log").read_text().count("closed")


async def test_a_plug_in_that_is_installed_is_a_kind_of_source(directory: FilePath) -> None:
    pool = SourcePool(ManualClock())
    sources = pool.acquire(enrichment(directory))

    assert await sources["user"].fetch(["u1"]) == {"u1": Context({"greeting": "hello u1"}, "fresh")}
    assert sources["item"].at_hand == {"i1": Context({"level": 3}, "fresh")}
    await pool.release(sources.values())


async def test_a_source_whose_rule_stays_as_it_is_is_handed_on_with_what_it_keeps(directory: FilePath) -> None:
    pool = SourcePool(ManualClock())
    first = pool.acquire(enrichment(directory))
    await first["user"].fetch(["u1"])
    with (directory / "rules.yaml").open("a") as rules:
        rules.write("filters: {f: {when: {kind: a}, then: {allow: {}}}}\n")
    second = pool.acquire(enrichment(directory))
    await pool.release(first.values())

    assert second["user"] is first["user"]
    assert "u1" in second["user"].at_hand
    assert closed(directory) == 0
    await pool.release(second.values())
    assert closed(directory) == 1


async def test_a_source_whose_rule_changed_is_another_and_the_old_one_is_closed_with_its_generation(directory: FilePath) -> None:
    pool = SourcePool(ManualClock())
    first = pool.acquire(enrichment(directory))
    text = (directory / "rules.yaml").read_text()
    (directory / "rules.yaml").write_text(text.replace("hello", "good morning"))
    second = pool.acquire(enrichment(directory))

    assert (second["user"] is first["user"], second["item"] is first["item"]) == (False, True)
    assert closed(directory) == 0
    await pool.release(first.values())
    assert closed(directory) == 1


async def test_another_budget_is_another_source(directory: FilePath) -> None:
    pool = SourcePool(ManualClock())
    rule = enrichment(directory)
    first, second = pool.acquire(rule), pool.acquire(replace(rule, budget_ms=rule.budget_ms + 1))

    assert second["user"] is not first["user"]


async def test_where_one_source_cannot_be_built_none_is_acquired_and_what_was_in_service_goes_on(directory: FilePath) -> None:
    pool = SourcePool(ManualClock())
    first = pool.acquire(enrichment(directory))
    rules = (directory / "rules.yaml").read_text().replace("items.json", "missing.json")
    (directory / "rules.yaml").write_text(rules)
    with pytest.raises(LookupFailed, match=r"missing\.json"):
        pool.acquire(enrichment(directory))
    await pool.release(first.values())

    assert closed(directory) == 1


def test_a_plug_in_that_refuses_its_settings_is_an_error_that_says_so(directory: FilePath) -> None:
    rules = (directory / "rules.yaml").read_text().replace("word: hello", "refuse: 1")
    (directory / "rules.yaml").write_text(rules)

    with pytest.raises(SettingsInvalid, match="`greeter` cannot be built: RuntimeError: no such thing"):
        SourcePool(ManualClock()).acquire(enrichment(directory))
