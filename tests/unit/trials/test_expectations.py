"""Each thing that a rule test may expect: it passes where that is so, and fails, saying so, where it is not."""

from pathlib import Path
from typing import Final

import pytest

from engine.trials.reports import failure_lines
from tests.unit.trials.samples import START, Body, answer, run, steps

ROBOT: Final = answer("a1", agent="a robot")
QUICK: Final = answer("a1", took_ms=640, secret="s", points=7)  # noqa: S106 - a member of an event
WRONG: Final = answer("a1", points=-1)
GIVEN: Final = {"person": {"plan": "premium", "level": 3, "hidden": 1}}

CASES: Final[list[tuple[Body, str, object, object]]] = [
    (QUICK, "status", "accepted", "blocked"),
    (ROBOT, "status", "blocked", "accepted"),
    (WRONG, "status", "rejected", "accepted"),
    (WRONG, "code", "schema", "bad_time"),
    (WRONG, "pointer", "/points", "/id"),
    (WRONG, "message", "`points` is `-1`; expected at least `0`", "no"),
    (ROBOT, "filter", "robots", "quick"),
    (QUICK, "filters", ["quick"], ["quick", "robots"]),
    (QUICK, "filters", "golden", "robots"),
    (answer("a1", points=101), "filters", ["watched"], ["quick"]),
    (QUICK, "not_filters", ["robots"], ["robots", "quick"]),
    (QUICK, "marks", ["quick"], []),
    (answer("a1"), "marks", [], ["quick"]),
    (QUICK, "routes", ["gold"], []),
    (answer("a1", vault=True), "routes", ["vault", "gold"], ["gold"]),
    (QUICK, "copies", ["events.gold"], []),
    (QUICK, "topic", "events.enriched", "events.gold"),
    (answer("a1", vault=True), "topic", "events.vault", "events.enriched"),
    (QUICK, "late", False, True),
    (QUICK, "degraded", [], ["deduplication"]),
    (QUICK, "event", {"points": 0, "user": "u1"}, {"points": 7}),
    (QUICK, "event", {"secret": None}, {"user": None}),
    (QUICK, "enrichment", {"person": {"plan": "premium"}}, {"person": {"plan": "free"}}),
    (QUICK, "enrichment", {"person": {"hidden": None}}, {"person": {"hidden": 1}}),
    (QUICK, "enrichment", {"status": {"person": "fresh"}}, {"status": {"person": "stale"}}),
    (QUICK, "derived", {"pace": "quick"}, {"pace": "slow"}),
    (QUICK, "processing", {"id": "a1", "marks": ["quick"]}, {"marks": ["quick", "slow"]}),
]


@pytest.mark.parametrize(("event", "key", "right", "wrong"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_an_expectation_passes_where_it_holds_and_fails_where_it_does_not(
    tmp_path: Path, event: Body, key: str, right: object, wrong: object
) -> None:
    good, bad = run(
        tmp_path,
        {"event": event, "given": GIVEN, "expect": {key: right}},
        {"event": event, "given": GIVEN, "expect": {key: wrong}},
    )

    assert good.passed, list(failure_lines(good))
    assert bad.failure is not None
    assert {difference.place.split(".")[0] for difference in bad.failure.differences} == {key}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(1, True), (True, 1), ("1", 1), ([1], [1, 2]), ([2, 1], [1, 2]), ({"a": 1}, [1])],
)
def test_values_of_other_kinds_or_other_lists_differ(tmp_path: Path, wanted: object, found: object) -> None:
    (result,) = run(
        tmp_path, {"event": {"kind": "note", "id": "n1", "at": START, "extra": found}, "expect": {"event": {"extra": wanted}}}
    )

    assert result.failure is not None


def test_figures_that_differ_by_their_last_digits_alone_are_equal(tmp_path: Path) -> None:
    (result,) = run(
        tmp_path, {"event": {"kind": "note", "id": "n1", "at": START, "extra": 0.1 + 0.2}, "expect": {"event": {"extra": 0.3}}}
    )

    assert result.passed


def test_every_difference_is_told_with_what_was_expected_and_found(tmp_path: Path) -> None:
    (result,) = run(tmp_path, {"event": QUICK, "expect": {"marks": [], "topic": "x", "event": {"points": 1, "user": "u1"}}})

    lines = list(failure_lines(result))
    assert lines[0] == "at `expect`:"
    assert lines[1:4] == [
        '  marks: expected [], found ["quick"]',
        '  topic: expected "x", found "events.enriched"',
        "  event.points: expected 1, found 0",
    ]


def test_a_filter_that_should_have_matched_is_explained_leaf_by_leaf(tmp_path: Path) -> None:
    (result,) = run(tmp_path, {"event": answer("a1", took_ms=1000), "expect": {"filters": ["quick"]}})

    lines = list(failure_lines(result))
    assert "quick does not match" in lines
    assert lines[lines.index("quick does not match") + 1].split() == ["false", "took_ms", "lt", "1000:", "it", "is", "1000"]


def test_a_filter_that_blocked_against_expectation_is_explained(tmp_path: Path) -> None:
    (result,) = run(tmp_path, {"event": ROBOT, "expect": {"status": "accepted"}})

    lines = list(failure_lines(result))
    assert "    robots: blocked by filter `robots`: robot" in lines
    assert "robots matches: block (robot)" in lines


@pytest.mark.parametrize(
    ("key", "wanted", "explained"),
    [
        ("marks", ["quick"], "quick"),
        ("routes", ["gold"], "golden"),
        ("copies", ["events.gold"], "golden"),
        ("topic", "events.vault", "vaulted"),
    ],
)
def test_of_a_decision_that_is_missing_only_the_filter_that_makes_it_is_explained(
    tmp_path: Path, key: str, wanted: object, explained: str
) -> None:
    (result,) = run(tmp_path, {"event": answer("a1"), "expect": {key: wanted}})

    assert result.failure is not None
    assert [judged.rule.id for judged in result.failure.judged] == [explained]


def test_an_event_that_never_came_to_the_filters_says_why(tmp_path: Path) -> None:
    (result,) = run(tmp_path, {"event": WRONG, "expect": {"filters": ["quick"], "event": {"points": 1}}})

    lines = list(failure_lines(result))
    assert "    it never came to the filters: `points` is `-1`; expected at least `0`" in lines
    assert "    there is no record of it" in lines


def test_a_window_is_found_by_its_key_and_its_values_are_compared(tmp_path: Path) -> None:
    sent = {"send": {"template": answer("a{n}", right=True), "times": 4, "every": "30s"}}
    wanted = {"aggregation": "by_user", "key": "user:u1", "values": {"answers": 4, "points": 4, "mean": 1, "right": 4}}

    assert steps(tmp_path, sent, {"expect": wanted}).passed
    wrong = steps(tmp_path, sent, {"expect": {**wanted, "values": {"answers": 4, "points": 5}}})
    assert list(failure_lines(wrong))[:2] == ["at step 2, `expect`:", "  values.points: expected 5, found 4"]


def test_windows_are_told_apart_by_their_start_or_end(tmp_path: Path) -> None:
    sent = {"send": {"template": answer("a{n}"), "times": 3, "every": "4m"}}
    window = {"aggregation": "by_user", "key": "user:u1"}

    assert steps(
        tmp_path,
        sent,
        {"expect": {**window, "start": START, "values": {"answers": 2}}},
        {"expect": {**window, "end": "2026-03-02T09:10:00Z", "values": {"answers": 1}}},
        {"expect": {**window, "start": "2026-03-02T08:00:00Z", "values": {"answers": None}}},
    ).passed
    unclear = "\n".join(failure_lines(steps(tmp_path, sent, {"expect": {**window, "values": {"answers": 2}}})))
    assert 'expected "one window", found "2 windows"' in unclear
    assert "name its `start`: 2026-03-02T09:00:00.000Z to 2026-03-02T09:05:00.000Z; 2026-03-02T09:05" in unclear


def test_a_key_without_a_window_says_what_there_is(tmp_path: Path) -> None:
    sent = {"send": answer("a1")}
    window = {"aggregation": "by_user", "values": {"answers": 1}}

    other = "\n".join(failure_lines(steps(tmp_path, sent, {"expect": {**window, "key": "user:u2"}})))
    later = "\n".join(
        failure_lines(steps(tmp_path, sent, {"expect": {**window, "key": "user:u1", "start": "2026-03-02T10:00:00Z"}}))
    )

    assert "nothing was counted under this key" in other
    assert "windows of this key: 2026-03-02T09:00:00.000Z to 2026-03-02T09:05:00.000Z" in later


def test_what_a_filter_blocked_is_not_in_a_window(tmp_path: Path) -> None:
    window = {"aggregation": "by_user", "key": "user:u1"}

    assert steps(tmp_path, {"send": ROBOT}, {"expect": {**window, "values": {"answers": None}}}).passed
    assert not steps(tmp_path, {"send": answer("a1")}, {"expect": {**window, "values": {"answers": None}}}).passed


def test_of_several_events_each_is_held_to_what_is_expected(tmp_path: Path) -> None:
    sent = {"send": {"template": answer("a1"), "times": 2}}

    result = steps(tmp_path, sent, {"expect": {"status": "accepted"}})

    assert result.failure is not None
    assert result.failure.step == "step 2, `expect`, event 2 of 2"


def test_the_first_expectation_that_fails_ends_the_test(tmp_path: Path) -> None:
    result = steps(tmp_path, {"send": answer("a1")}, {"expect": {"late": True}}, {"expect": {"marks": ["x"]}})

    assert result.failure is not None
    assert result.failure.step == "step 2, `expect`"
