"""What a rule test may expect of closed windows that are published."""

from pathlib import Path

import pytest

from engine.trials.trial import TrialResult
from tests.unit.trials.samples import session, write_tests

RULES = """\
version: 1
events: {type: kind, time: at, key: user, max_skew: {future: none, past: none}, types: {answer: {}}}
routes: {windows: {topic: windows}}
aggregations:
  hourly: {key: {user: user}, window: {tumbling: 1h}, max_keys: 10, measures: {n: count}, emit: {to: windows}}
"""
SENT = [
    {"send": {"kind": "answer", "user": user, "at": f"2026-03-02T{at}:00Z"}} for user, at in (("u1", "09:00"), ("u2", "10:00"))
]
LATE = {"send": {"kind": "answer", "user": "u1", "at": "2026-03-02T09:30:00Z"}}


def expect(revision: int, **values: int) -> dict[str, object]:
    shown = {"values": values} if values else {}
    return {"expect": {"aggregation": "hourly", "key": "user:u1", "revision": revision, **shown}}


def result(tmp_path: Path, *steps: object, rules: str = RULES) -> TrialResult:
    (tmp_path / "rules.yaml").write_text(rules)
    write_tests(tmp_path, {"steps": list(steps)})
    return session(tmp_path).results[0]


def test_a_window_is_told_when_it_closes_and_again_when_it_grows(tmp_path: Path) -> None:
    steps = (SENT[0], expect(0), SENT[1], expect(1, n=1), LATE, expect(2, n=2))
    assert result(tmp_path, *steps).passed


@pytest.mark.parametrize("wrong", [expect(0), expect(2, n=1), expect(1, n=2)])
def test_another_revision_or_figure_is_a_failure(tmp_path: Path, wrong: object) -> None:
    assert not result(tmp_path, *SENT, wrong).passed


def test_a_window_that_is_still_open_was_not_told(tmp_path: Path) -> None:
    assert not result(tmp_path, SENT[0], expect(1, n=1)).passed


def test_where_no_event_comes_event_time_goes_on_by_the_clock(tmp_path: Path) -> None:
    steps = (
        SENT[0],
        {"advance": "59m"},
        expect(0),
        {"advance": "2m"},
        expect(1, n=1),
        LATE,
        expect(1, n=1),
        {"advance": "2h"},
        expect(2, n=2),
    )
    assert result(tmp_path, *steps).passed


@pytest.mark.parametrize(("idle", "advance", "revision"), [("none", "10h", 0), ("3h", "2h", 0), ("3h", "4h", 1)])
def test_how_long_nothing_has_to_come_is_for_the_rules_to_say(tmp_path: Path, idle: str, advance: str, revision: int) -> None:
    rules = RULES.replace("emit: {to: windows}", f"emit: {{to: windows, idle: {idle}}}")
    told = expect(1, n=1) if revision else expect(0)
    assert result(tmp_path, SENT[0], {"advance": advance}, told, rules=rules).passed
