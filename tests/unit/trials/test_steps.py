"""Each step that a rule test may take does to the engine what it says."""

from pathlib import Path

import pytest

from engine.trials.reports import failure_lines
from tests.unit.trials.samples import RULES, START, Body, answer, steps, write_rules

WINDOW = {"aggregation": "by_user", "key": "user:u1"}


def passes(directory: Path, *taken: Body, wait: str = "0ms", **body: object) -> None:
    result = steps(directory, *taken, wait=wait, **body)
    assert result.passed, "\n".join(failure_lines(result))


def test_a_copy_is_a_duplicate_until_its_time_to_live_is_over(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": answer("a1")},
        {"expect": {"status": "accepted"}},
        {"advance": "59m"},
        {"send": answer("a1")},
        {"expect": {"status": "duplicate"}},
        {"advance": "2m"},
        {"send": answer("a1")},
        {"expect": {"status": "accepted"}},
    )


def test_a_template_numbers_its_events_and_moves_their_times(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": {"template": answer("a{n}", user="u{n}"), "times": 3, "every": "4m"}},
        {"expect": {"status": "accepted", "late": False}},
        {"expect": {"aggregation": "by_user", "key": "user:u1", "start": START, "values": {"answers": 1}}},
        {"expect": {"aggregation": "by_user", "key": "user:u3", "start": "2026-03-02T09:05:00Z", "values": {"answers": 1}}},
    )


def test_a_template_with_a_time_in_milliseconds_keeps_its_form(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": {"template": answer("a{n}", at=1_772_442_000_000), "times": 2, "every": "1s"}},
        {"send": {"template": answer("b{n}", at=1_772_442_000_000), "times": 2, "every": "0ms"}},
        {"expect": {"status": "accepted", "event": {"at": 1_772_442_000_000}}},
    )


def test_the_clock_follows_the_events_so_that_none_comes_before_it_happened(tmp_path: Path) -> None:
    later = answer("a2", at="2026-03-02T20:00:00Z")

    passes(
        tmp_path,
        {"send": answer("a1")},
        {"send": later},
        {"expect": {"status": "accepted", "processing": {"received_at": "2026-03-02T20:00:00.000Z"}}},
    )


def test_with_a_now_of_its_own_the_clock_follows_nobody(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": answer("a1", at="2026-03-02T20:00:00Z")},
        {"expect": {"status": "rejected", "code": "skew_future"}},
        {"send": answer("a1", at="2026-01-02T20:00:00Z")},
        {"expect": {"code": "skew_past"}},
        {"send": answer("a1", at="2026-03-02T08:59:00Z")},
        {"expect": {"status": "accepted", "processing": {"received_at": "2026-03-02T09:00:00.000Z"}}},
        now=START,
    )


def test_an_event_behind_a_later_one_of_its_key_is_late(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": answer("a2", at="2026-03-02T09:00:02Z")},
        {"send": answer("a1", at="2026-03-02T09:00:01Z")},
        {"expect": {"late": True}},
    )


def test_events_that_are_held_for_earlier_ones_come_out_in_order(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"send": answer("a2", at="2026-03-02T09:00:02Z")},
        {"send": answer("a1", at="2026-03-02T09:00:01Z")},
        {"expect": {"status": "accepted", "late": False}},
        {"send": answer("a0", at="2026-03-02T09:00:00Z")},
        {"expect": {"late": True}},
        wait="5s",
    )


@pytest.mark.parametrize(
    ("fault", "status"), [("timeout", "timeout"), ("breaker_open", "breaker_open"), ("error", "negative"), ("stale", "stale")]
)
@pytest.mark.parametrize("every_source", [True, False])
def test_a_source_that_fails_leaves_its_stamp_until_it_is_up_again(
    tmp_path: Path, fault: str, status: str, every_source: bool
) -> None:
    context = {"plan": "premium"} if fault == "stale" else None
    passes(
        tmp_path,
        {"source": fault if every_source else {"person": fault}},
        {"send": answer("a1")},
        {"expect": {"status": "accepted", "enrichment": {"status": {"person": status}, "person": context}}},
        {"source": "up" if every_source else {"person": "up"}},
        {"send": answer("a2")},
        {"expect": {"filters": ["golden"], "enrichment": {"status": {"person": "fresh"}}}},
        given={"person": {"plan": "premium"}},
    )


def test_a_source_that_is_not_given_finds_nothing(tmp_path: Path) -> None:
    passes(tmp_path, {"send": answer("a1")}, {"expect": {"enrichment": {"person": None, "status": {"person": "negative"}}}})


def test_a_source_may_find_something_else_from_a_step_on(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"source": {"person": {"plan": "premium"}}},
        {"send": answer("a1")},
        {"expect": {"filters": ["golden"]}},
        {"source": {"person": None}},
        {"send": answer("a2")},
        {"expect": {"not_filters": ["golden"]}},
    )


def test_without_a_store_events_pass_degraded_or_are_to_be_sent_again_as_their_type_says(tmp_path: Path) -> None:
    note = {"kind": "note", "id": "n1", "at": START}
    passes(
        tmp_path,
        {"store": "down"},
        {"send": answer("a1")},
        {"expect": {"status": "accepted", "degraded": ["deduplication"]}},
        {"expect": {**WINDOW, "values": {"answers": None}}},
        {"send": note},
        {"expect": {"status": "retry", "code": "store_unavailable"}},
        {"store": "up"},
        {"expect": {**WINDOW, "values": {"answers": 1}}},
        {"send": answer("a1")},
        {"expect": {"status": "duplicate"}},
        {"send": note},
        {"expect": {"status": "accepted", "degraded": []}},
    )


def test_without_an_egress_events_are_to_be_sent_again_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"egress": "down"},
        {"send": answer("a1")},
        {"expect": {"status": "retry"}},
        {"egress": "up"},
        {"send": answer("a1")},
        {"expect": {"status": "accepted", "topic": "events.enriched"}},
        {"expect": {**WINDOW, "values": {"answers": 1}}},
    )


def test_what_the_egress_refuses_for_good_is_rejected_and_not_counted(tmp_path: Path) -> None:
    passes(
        tmp_path,
        {"egress": "refuse"},
        {"send": answer("a1")},
        {"expect": {"status": "rejected", "code": "refused"}},
        {"expect": {**WINDOW, "values": {"answers": None}}},
    )


def test_a_reload_puts_other_rules_into_service_and_keeps_what_was_claimed(tmp_path: Path) -> None:
    other = tmp_path.parent / f"{tmp_path.name}-other"
    write_rules(other, rules=RULES.replace("contains: robot", "contains: browser"))

    passes(
        tmp_path,
        {"send": answer("a1", agent="a browser")},
        {"expect": {"status": "accepted"}},
        {"reload": f"../{other.name}"},
        {"send": answer("a1", agent="a browser")},
        {"expect": {"status": "duplicate"}},
        {"send": answer("a2", agent="a browser")},
        {"expect": {"status": "blocked", "filter": "robots"}},
    )


@pytest.mark.parametrize(
    ("old", "new", "answers"),
    [("contains: robot", "contains: browser", 2), ("window: {tumbling: 5m}", "window: {tumbling: 1h}", 1)],
    ids=["the same rule", "another rule"],
)
def test_a_window_counts_on_over_a_reload_where_its_rule_is_the_same(tmp_path: Path, old: str, new: str, answers: int) -> None:
    other = tmp_path / "other"
    write_rules(other, rules=RULES.replace(old, new))
    mine = tmp_path / "mine"

    passes(
        mine,
        {"send": answer("a1")},
        {"reload": "../other"},
        {"send": answer("a2")},
        {"expect": {**WINDOW, "start": START, "values": {"answers": answers}}},
    )


def test_rules_with_errors_cannot_be_loaded_by_a_test(tmp_path: Path) -> None:
    other = tmp_path.parent / f"{tmp_path.name}-broken"
    write_rules(other, rules="version: 1\nevents: {type: kind}\n")

    result = steps(tmp_path, {"reload": f"../{other.name}"}, {"send": answer("a1")}, {"expect": {"status": "accepted"}})

    assert "the rules to load have errors" in result.error
    assert "E202" in result.error


def test_an_expectation_before_anything_was_sent_is_an_error(tmp_path: Path) -> None:
    assert "nothing was sent before it" in steps(tmp_path, {"advance": "1m"}, {"expect": {"status": "accepted"}}).error


def test_a_year_passes_without_anybody_waiting_for_it(tmp_path: Path) -> None:
    result = steps(tmp_path, {"send": answer("a1")}, {"advance": "365d"}, {"expect": {"status": "accepted"}})

    assert result.passed
    assert result.seconds < 5
