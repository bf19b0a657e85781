"""A thousand rules are linted in well under a second of an idle processor, whatever they have in common; here with room for a busy one."""

import time
from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset

RULES = 1_000
MAX_SECONDS = 8
EVENTS = "version: 1\nevents: {type: event_type, time: timestamp, types: {attempt: {}, session: {}, placement: {}}}\nfilters:\n"
CONDITIONS = {
    "one field each its value": "{{event_type: attempt, user_id: u{n}}}",
    "ranges of one field, each in the next": "{{score: {{gt: {m}}}}}",
    "texts": "{{agent: {{contains: bot-{n}-}}, name: {{starts_with: n{n}.}}}}",
    "alternatives": "{{event_type: attempt, score: {{gt: {n}, lt: {n}.5}}, any: [{{a: {n}}}, {{b: x{n}}}]}}",
}


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)
def test_a_thousand_blocks_are_compared_without_comparing_each_with_each(tmp_path: Path, condition: str) -> None:
    lines = [f"  f{n}: {{when: {condition.format(n=n, m=RULES - n)}, then: {{block: {{}}}}}}\n" for n in range(RULES)]
    (tmp_path / "rules.yaml").write_text(EVENTS + "".join(lines))
    started = time.process_time()

    loaded = load_ruleset(tmp_path, {})

    assert time.process_time() - started < MAX_SECONDS
    assert loaded.findings == []


def test_a_block_is_found_among_a_thousand_by_the_value_it_asks_for(tmp_path: Path) -> None:
    lines = [f"  f{n}: {{when: {{user_id: u{n}}}, then: {{block: {{}}}}}}\n" for n in range(RULES)]
    late = "  late: {when: {user_id: u417, event_type: session}, then: {allow: {mark: x}}}\n"
    (tmp_path / "rules.yaml").write_text(EVENTS + "".join(lines) + late)

    (finding,) = load_ruleset(tmp_path, {}).findings

    assert (finding.code, finding.rule_id, finding.related[0].message) == ("W604", "filters.late", "`f417` blocks them")
