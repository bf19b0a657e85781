"""Filters that do not act, or not on everybody: counted, sampled and shown apart."""

from pathlib import Path

import pytest

from engine.event import MAX_SAMPLES, FilterCounts
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from tests.property.filter_rules import event_of
from tests.unit.operations import engines
from tests.unit.operations.engines import NOW_MS, answer, running

RULES = (
    engines.RULES
    + """\
  careful: {mode: shadow, when: {points: {gt: 5}}, then: {block: {reason: many}}}
  partly: {when: {points: {gt: 5}}, rollout: {percent: 50, by: user}, then: {allow: {mark: partly}}}
"""
)


@pytest.fixture(autouse=True)
def _rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "RULES", RULES)


async def test_what_was_not_done_is_counted_and_sampled_and_nothing_is_done(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        for number in range(40):
            await engine.post(answer(f"u{number}", at_ms=NOW_MS + number, points=6))
        shown = (await engine.get("/processor/filters")).json()["filters"]
        text = (await engine.get("/metrics")).text

    careful, partly = shown["careful"], shown["partly"]
    assert (careful["mode"], careful["matched"], careful["would_have_matched"], careful["rollout"]) == ("shadow", 40, 40, None)
    assert [sample["key"] for sample in careful["samples"]] == [f"u{n}" for n in range(39, 39 - MAX_SAMPLES, -1)]
    assert careful["samples"][0] == {"id": "40", "type": "answer", "key": "u39", "time": "2026-03-02T09:00:00.039Z"}
    assert partly["matched"] == 40, "a shadow before it blocked nothing"
    assert 8 < partly["held_back"] < 32
    assert partly["would_have_matched"] == partly["held_back"]
    assert partly["rollout"] == {"percent": 50, "by": "user"}
    assert shown["quick"]["samples"] == []
    assert 'rulemill_filter_would_have_matched_total{filter="careful"} 40.0' in text
    assert 'rulemill_filter_mode{filter="careful",mode="shadow"} 1.0' in text
    assert 'rulemill_filter_mode{filter="careful",mode="enforce"} 0.0' in text


def plan(directory: Path, text: str) -> Plan:
    (directory / "rules.yaml").write_text(f"version: 1\nevents: {{type: kind, time: at, types: {{answer: {{}}}}}}\n{text}\n")
    compiled = compile_rules(directory, {})
    assert compiled.plan is not None, compiled.findings
    return compiled.plan


def test_samples_and_counts_go_on_with_the_filter_through_a_reload() -> None:
    before, after = FilterCounts.zero(2), FilterCounts.zero(1)
    before.held_back[1] = 3
    before.sample(1, event_of({"a": 1}, 7))

    after.take_in(before, [(1, 0)])
    before.sample(1, event_of({"a": 2}, 8))

    assert after.held_back == [3]
    assert [sample.time_ms for sample in after.samples[0]] == [7]
    assert before.copy().samples == {}, "what is left for later is counted alone"


@pytest.mark.parametrize(
    ("rollout", "code"),
    [
        ("{percent: 10}", "E202"),
        ("{by: user}", "E202"),
        ("{percent: 101, by: user}", "E205"),
        ("{percent: 10, by: user, of: x}", "E201"),
    ],
)
def test_a_rollout_that_is_not_whole_is_a_finding(rollout: str, code: str, tmp_path: Path) -> None:
    text = f"filters: {{f: {{when: {{a: 1}}, then: {{block: {{}}}}, rollout: {rollout}}}}}"
    (tmp_path / "rules.yaml").write_text(f"version: 1\nevents: {{type: kind, time: at, types: {{answer: {{}}}}}}\n{text}\n")

    assert code in {finding.code for finding in compile_rules(tmp_path, {}).findings}


def test_an_event_outside_blocks_nobody_and_stops_no_filter_behind_it(tmp_path: Path) -> None:
    made = plan(
        tmp_path,
        "filters: {f: {when: {a: 1}, then: {block: {}}, rollout: {percent: 0, by: a}}, g: {when: {a: 1}, then: {allow: {mark: m}}}}",
    )
    event, counts = event_of({"a": 1}, 7), FilterCounts.zero(2)

    made.filter((event,), counts)

    assert (event.blocked, event.marks, counts.held_back) == (None, ("m",), [1, 0])
