"""Shadow rules: they judge what the rules in service judge, say what they would have done otherwise, and do nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.event import Event, FilterCounts, JsonObject
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.shadow import MAX_DIFFERENCES_KEPT, ShadowRules
from engine.pipeline.onlookers import Onlookers
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from tests.property.filter_rules import decisions, event_of

HEAD = "version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\nroutes: {gold: {topic: gold}}\nfilters:\n"
ACTIVE = "  quick: {when: {a: {lt: 10}}, then: {allow: {mark: quick}}}\n  bad: {when: {b: 1}, then: {block: {reason: bad}}}\n"
CANDIDATE = (
    "  quick: {when: {a: {lt: 20}}, then: {allow: {mark: quick}}}\n  gone: {when: {c: 1}, then: {transform: {remove: [c]}}}\n"
)


class Beside:
    """Rules in service, and others in their shadow."""

    def __init__(self, directory: Path, candidate: str = CANDIDATE, active: str = ACTIVE, max_texts: int = 10) -> None:
        self.directory = directory / "candidate"
        self.directory.mkdir()
        self.write(candidate)
        self.onlookers, clock = Onlookers(), SystemClock()
        self.shadow = ShadowRules(RulesOnDisk(self.directory, {}, {"file"}, clock, 0), clock, self.onlookers, max_texts)
        self.shadow.start()
        (directory / "active").mkdir()
        (directory / "active" / "rules.yaml").write_text(HEAD + active)
        compiled = compile_rules(directory / "active", {})
        assert compiled.plan is not None
        self.active: Plan = compiled.plan

    def write(self, filters: str) -> None:
        (self.directory / "rules.yaml").write_text(HEAD + filters)

    def judge(self, *contents: JsonObject) -> Sequence[Event]:
        """What the rules in service make of these, with the shadow looking on."""
        events = [event_of(dict(data), 1_000 + number) for number, data in enumerate(contents)]
        counts = FilterCounts.zero(len(self.active.ruleset.filters))
        self.onlookers.around(self.active).filter(events, counts)
        return events

    def shown(self) -> Any:
        return self.shadow.as_json()


def test_what_it_would_do_otherwise_is_counted_by_kind_and_sampled(tmp_path: Path) -> None:
    beside = Beside(tmp_path)

    beside.judge({"a": 1}, {"a": 15}, {"a": 50, "b": 1}, {"a": 50, "c": 1}, {})

    shown = beside.shown()
    assert (shown["events"], shown["differing"], shown["errors"]) == (5, 3, 0)
    assert shown["differences"] == {"blocked": 1, "marks": 1, "routes": 0, "copies": 0, "topic": 0, "event": 1}
    assert shown["against"] == beside.active.id != shown["ruleset"]
    assert shown["filters"]["quick"]["matched"] == 2
    event, blocked, marks = shown["samples"]
    assert (event["differences"], blocked["differences"], marks["differences"]) == (["event"], ["blocked"], ["marks"])
    assert (blocked["active"]["blocked"], blocked["shadow"]["blocked"]) == ({"filter": "bad", "reason": "bad"}, None)
    assert (marks["active"]["marks"], marks["shadow"]["marks"]) == ([], ["quick"])
    assert marks["time"] == "1970-01-01T00:00:01.001Z"
    assert "a" not in marks, "nothing of the contents is kept"


def test_events_go_on_as_they_do_without_a_shadow(tmp_path: Path) -> None:
    contents: list[JsonObject] = [{"a": 1, "c": 1}, {"a": 15}, {"b": 1}]
    beside = Beside(tmp_path)
    alone = [event_of(dict(data), 1_000 + number) for number, data in enumerate(contents)]
    beside.active.filter(alone, FilterCounts.zero(2))

    watched = beside.judge(*contents)

    assert [decisions(event) for event in watched] == [decisions(event) for event in alone]


def test_of_differences_only_the_newest_are_kept(tmp_path: Path) -> None:
    beside = Beside(tmp_path)

    beside.judge(*[dict[str, object](a=15)] * (MAX_DIFFERENCES_KEPT + 5))

    shown = beside.shown()
    assert shown["differing"] == MAX_DIFFERENCES_KEPT + 5
    assert len(shown["samples"]) == MAX_DIFFERENCES_KEPT
    assert shown["samples"][0]["time"] == "1970-01-01T00:00:01.024Z"


def test_texts_that_the_shadow_remembers_are_bounded_as_those_of_the_rules_in_service(tmp_path: Path) -> None:
    looks = "  f: {when: {a: {matches: '^x'}}, then: {allow: {mark: m}}}\n"
    beside = Beside(tmp_path, candidate=looks, max_texts=2)

    kept = []
    for text in ("one", "two", "three"):
        beside.judge({"a": text})
        kept.append(beside.shadow.kept())

    assert [figures["remembered_texts"] for figures in kept] == [1, 2, 1]
    assert {figures["remembered_max_texts"] for figures in kept} == {2}


def test_an_error_in_the_shadow_costs_no_event_anything_and_is_counted(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    assert beside.shadow.trial is not None

    def broken(_events: Sequence[Event], _counts: FilterCounts) -> None:
        raise ZeroDivisionError

    beside.shadow.trial.plan = replace(beside.shadow.trial.plan, filter=broken)
    events = beside.judge({"a": 1}, {"b": 1})

    assert [event.marks for event in events] == [("quick",), ()]
    assert [event.blocked for event in events] == [None, ("bad", "bad")]
    assert (beside.shown()["errors"], beside.shown()["events"]) == (1, 0)
    assert beside.shadow.figures()["errors"] == 1


async def test_changed_contents_are_taken_up_and_counts_begin_again(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.judge({"a": 15})
    first = beside.shown()["ruleset"]
    beside.write(ACTIVE)

    await beside.shadow.look()
    beside.judge({"a": 15})

    shown = beside.shown()
    assert shown["ruleset"] != first
    assert (shown["events"], shown["differing"]) == (1, 0)


async def test_contents_that_did_not_change_leave_the_counts_alone(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.judge({"a": 15})

    await beside.shadow.look()
    assert await beside.shadow.reload()

    assert beside.shown()["differing"] == 1


async def test_broken_contents_are_findings_and_what_was_tried_goes_on(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.write("  quick: {when: {a: {lt: fast}}, then: {allow: {}}}\n")

    assert not await beside.shadow.reload()
    beside.judge({"a": 15})

    shown = beside.shown()
    assert shown["rejected"]["errors"] == 1
    assert shown["differing"] == 1
    beside.write(CANDIDATE)
    assert await beside.shadow.reload()
    assert beside.shown()["rejected"] is None


def test_a_directory_that_is_broken_from_the_start_is_no_shadow(tmp_path: Path) -> None:
    beside = Beside(tmp_path, candidate="  quick: {when: {a: {lt: fast}}, then: {allow: {}}}\n")

    (event,) = beside.judge({"a": 1})

    assert event.marks == ("quick",)
    assert beside.shown()["ruleset"] is None
    assert beside.shown()["rejected"]["errors"] == 1
    assert beside.shadow.figures() == {}


def test_other_rules_in_service_are_another_comparison(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.judge({"a": 15})
    beside.active = replace(beside.active, id="another")

    beside.judge({"a": 1})

    assert (beside.shown()["against"], beside.shown()["events"], beside.shown()["differing"]) == ("another", 1, 0)


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_filter_that_is_in_shadow_there_does_not_count_as_a_decision(mode: str, tmp_path: Path) -> None:
    beside = Beside(tmp_path, candidate=ACTIVE + f"  more: {{mode: {mode}, when: {{a: 15}}, then: {{block: {{}}}}}}\n")

    beside.judge({"a": 15})

    assert beside.shown()["differing"] == 0
