"""Two rulesets over one recording: what is told of the decisions that change."""

import json
from typing import Any

import pytest

from engine.replays.differences import Differences
from engine.replays.reasons import Side
from engine.replays.replay import Bounds
from tests.unit.replays.project import NOW_MS, Event, Project, answer, changes

HOUR_MS = 3_600_000


def some_answers(count: int = 20) -> list[Event]:
    return [answer(number, took_ms=100 * number, agent="a robot" if number % 5 == 4 else "x") for number in range(count)]


async def test_rules_that_are_the_same_change_nothing(project: Project) -> None:
    report = await project.report([*some_answers(), *some_answers(3), b"no event"])

    assert (report["changed"], report["unchanged"], report["groups"]) == (0, 24, [])
    assert report["rules"]["accepted"] == report["against"]["accepted"] == 16
    assert [(one["changed"], one["unchanged"]) for one in report["aggregations"]] == [(0, 1)]


async def test_a_moved_threshold_changes_the_marks_of_the_events_between_and_the_test_that_turned_is_shown(
    project: Project,
) -> None:
    project.change("lt: 1000", "lt: 600")

    report = await project.report(some_answers())

    assert changes(report) == [(["quick"], [("marks", "quick", "none")], 3)]
    sample = report["groups"][0]["samples"][0]
    assert (sample["line"], sample["id"], sample["type"]) == (7, "a6", "answer")
    assert sample["why"] == [
        {"filter": "quick", "old": ["true: took_ms lt 1000: it is 600"], "new": ["false: took_ms lt 600: it is 600"]}
    ]


async def test_of_a_block_the_blocking_filter_is_the_cause_and_what_it_keeps_from_others_is_not(project: Project) -> None:
    project.change("contains: robot", "contains: nobody")

    report = await project.report(some_answers(10))

    assert changes(report) == [(["robots"], [("outcome", "blocked (robots: robot)", "accepted")], 2)]
    (window,) = report["aggregations"][0]["largest"]
    assert (window["old"], window["new"]) == ({"answers": 8, "points": 8}, {"answers": 10, "points": 10})


async def test_what_becomes_of_a_copy_is_put_down_to_the_filter_that_blocked_the_event(project: Project) -> None:
    project.change("contains: robot", "contains: nobody")
    event = answer(1, agent="a robot")

    report = await project.report([event, event])

    assert changes(report) == [
        (["robots"], [("outcome", "blocked (robots: robot)", "accepted")], 1),
        (["robots"], [("outcome", "blocked (robots: robot)", "duplicate")], 1),
    ]
    (why,) = report["groups"][1]["samples"][0]["why"]
    assert why == {"filter": None, "old": ["blocked by filter `robots`: robot"], "new": ["duplicate"]}


async def test_a_filter_that_is_only_in_one_ruleset_is_named_and_said_to_be_missing_in_the_other(project: Project) -> None:
    project.change("filters:", "filters:\n  rich: {when: {points: {gte: 5}}, then: {route: {to: review, mode: copy}}}")

    report = await project.report([answer(1), answer(2, points=5)])

    assert changes(report) == [(["rich"], [("routes", "none", "review"), ("copies", "none", "events.review")], 1)]
    (why,) = report["groups"][0]["samples"][0]["why"]
    assert why == {"filter": "rich", "old": ["there is no such filter"], "new": ["true: points gte 5: it is 5"]}


async def test_a_record_that_a_transform_changes_is_told_member_by_member(project: Project) -> None:
    project.change("allow: {mark: quick}", "transform: {set: {speed: high}, remove: [agent]}")

    report = await project.report([answer(1)])

    (group,) = report["groups"]
    assert changes(report) == [(["quick"], [("marks", "quick", "none"), ("members", "agent", "speed")], 1)]
    assert group["samples"][0]["members"] == [{"path": "agent", "old": "x"}, {"path": "speed", "new": "high"}]
    assert group["samples"][0]["why"][0]["old"] == ["quick matches: mark `quick`"]


@pytest.mark.parametrize(
    ("before", "after", "file", "expected"),
    [
        ('"integer"', '"integer", "minimum": 5', "answer.json", ("events", [("outcome", "accepted", "rejected (schema)")], 2)),
        ("key: id", "key: user", "rules.yaml", ("deduplication", [("outcome", "accepted", "duplicate")], 1)),
        ('"free"', '"gold"', "people.json", ("enrichment", [("members", "enrichment.person.plan")], 2)),
    ],
)
async def test_what_no_filter_causes_is_put_down_to_its_section(
    project: Project, before: str, after: str, file: str, expected: Any
) -> None:
    project.change(before, after, file=file)

    report = await project.report([answer(1), answer(2)])

    assert changes(report) == [expected]


async def test_another_topic_of_a_route_is_put_down_to_the_routes(project: Project) -> None:
    project.everywhere("filters:", "filters:\n  all: {when: {took_ms: {gte: 0}}, then: {route: {to: review, mode: move}}}")
    project.change("topic: events.review", "topic: events.others")

    assert changes(await project.report([answer(1)])) == [("routes", [("topic", "events.review", "events.others")], 1)]


async def test_filters_that_do_the_same_in_another_order_are_told_as_that(project: Project) -> None:
    both = "a: {when: {took_ms: {gte: 0}}, order: 1, then: {route: {to: review}}}\n  b: {when: {points: {gte: 0}}, order: 2, then: {route: {to: other}}}"
    project.everywhere("filters:", f"routing: first_match\nfilters:\n  {both}")
    project.everywhere("routes: {", "routes: {other: {topic: events.other}, ")
    project.change("order: 1", "order: 3")

    assert changes(await project.report([answer(1)])) == [("filter order", [("routes", "review", "other")], 1)]


async def test_time_is_that_of_the_events_so_that_a_shorter_ttl_lets_a_late_copy_in(project: Project) -> None:
    project.change("ttl: 1h", "ttl: 10m")
    original, copy = answer(0), answer(0)
    between = [answer(number, at=NOW_MS + number * 60_000) for number in range(1, 31)]

    report = await project.report([original, *between, copy])

    assert changes(report) == [("deduplication", [("outcome", "duplicate", "accepted")], 1)]


async def test_one_wrong_clock_among_the_events_does_not_end_the_claims_of_all(project: Project) -> None:
    events = [answer(number) for number in range(20)]
    events[3]["at"] = NOW_MS + 1_000 * HOUR_MS

    report = await project.report([*events, *events[:3]], alone=True)

    assert (report["rules"]["accepted"], report["rules"]["duplicate"]) == (20, 3)


async def test_events_are_taken_as_if_they_came_at_their_own_time_however_old_they_are(project: Project) -> None:
    old = [answer(number, at="2001-01-01T00:00:00Z") for number in range(3)]

    report = await project.report(old, alone=True)

    assert report["rules"]["accepted"] == 3


async def test_events_that_are_held_for_their_order_are_compared_when_they_have_gone_on(project: Project) -> None:
    project.everywhere("key: user, types", "key: user, ordering: {wait: 10m}, types")
    project.change("lt: 1000", "lt: 10")

    report = await project.report([answer(number) for number in (5, 3, 4, 1)])

    assert (report["changed"], report["rules"]["late"]) == (4, 0)
    assert [sample["line"] for sample in report["groups"][0]["samples"]] == [1, 2]


async def test_records_and_dead_letters_stand_for_the_events_they_were(project: Project) -> None:
    record = {**answer(1), "enrichment": {"person": {"plan": "old"}, "derived": {}, "status": {"person": "fresh"}}}
    record["processing"] = {"id": "a1", "ruleset": "x", "marks": ["m"]}
    letter = {"time": "2026-03-02T09:00:00.000Z", "stage": "publish", "code": "refused", "reason": "large", "ruleset": "x"}
    letter |= {"id": "a2", "raw": json.dumps(answer(2))}

    report = await project.report([record, letter, answer(3)], alone=True)

    assert report["events"] == {"read": 3, "events": 1, "records": 1, "dead_letters": 1}
    assert report["rules"]["accepted"] == 3


async def test_with_recorded_enrichment_a_record_keeps_its_contexts_and_others_are_asked_for(project: Project) -> None:
    project.change("filters:", "filters:\n  premium: {when: {person.plan: premium}, then: {allow: {mark: premium}}}")
    records = [
        {
            **answer(number),
            "enrichment": {"person": {"plan": plan}, "derived": {}, "status": {"person": "fresh"}},
            "processing": {"id": f"a{number}", "ruleset": "x"},
        }
        for number, plan in enumerate(["premium", "free", "premium"])
    ]
    lines = [*records, answer(4), answer(5, user="u2")]

    assert (await project.report(lines, recorded=True))["changed"] == 3
    assert (await project.report(lines, recorded=False))["changed"] == 1
    assert (await project.report(lines, recorded=True, given={"person": {"plan": "premium"}}))["changed"] == 4


async def test_samples_and_windows_are_bounded_and_the_largest_changes_come_first(project: Project) -> None:
    project.change("{sum: points}", "{sum: took_ms}")
    events = [answer(number, user=f"u{number}", took_ms=1_000 + number) for number in range(30)]

    report = await project.report(events, bounds=Bounds(1, 3))

    (aggregation,) = report["aggregations"]
    assert (aggregation["changed"], aggregation["unchanged"]) == (30, 0)
    assert [window["key"] for window in aggregation["largest"]] == ["user:u29", "user:u28", "user:u27"]


async def test_windows_of_another_length_are_not_compared(project: Project) -> None:
    project.change("tumbling: 5m", "tumbling: 10m")

    report = await project.report([answer(1)])

    assert report["aggregations"] == [{"id": "by_user", "compared": False, "reason": "its window is another"}]


async def test_changes_beyond_the_bound_of_groups_are_counted_and_not_told_apart(project: Project) -> None:
    project.change("allow: {mark: quick}", "block: {reason: quick}")
    project.change("contains: robot", "contains: nobody")
    events = [answer(1), answer(2, agent="a robot", took_ms=5_000), answer(3), answer(4, agent="a robot", took_ms=5_000)]
    differences = (await project.run(events)).differences
    assert differences is not None
    assert [group.events for group in differences.groups()] == [2, 2]

    old, new = Side(project.plan("old")), Side(project.plan("new"))
    bounded = Differences(old, new, samples=1, max_groups=1)
    for items, *sent in await project.sent(events):
        bounded.compare(items, *sent)

    assert [(group.events, len(group.samples)) for group in bounded.groups()] == [(2, 1)]
    assert (bounded.changed, bounded.ungrouped) == (4, 2)
