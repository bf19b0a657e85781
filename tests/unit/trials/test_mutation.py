"""Mutants: which changes of rules are tried, which tests notice them, and what is told of those that none does."""

from itertools import count
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from engine.clock import SystemClock
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.testing import ManualClock
from engine.trials.bench import Bench, Surroundings
from engine.trials.junit import write_junit
from engine.trials.mutants.every import all_mutants
from engine.trials.mutation import Mutation, _mutated, try_mutants
from engine.trials.mutation_report import mutation_report
from engine.trials.reports import human
from tests.unit.trials.samples import START, Body, answer, session, write_rules, write_tests

SMALL: Final = """\
version: 1
events: {type: kind, time: at, max_skew: {future: none, past: none}, types: {note: {}, memo: {}}}
"""
_names = count()


def note(**members: object) -> dict[str, object]:
    return {"kind": "note", "at": START, **members}


def plan_of(directory: Path, *sections: str) -> Plan:
    """The plan of the small ruleset with these sections."""
    own = directory / f"rules{next(_names)}"
    own.mkdir()
    (own / "rules.yaml").write_text(SMALL + "\n".join(sections) + "\n")
    compiled = compile_rules(own, {}, {"file"})
    assert compiled.plan is not None, [finding.message for finding in compiled.findings]
    return compiled.plan


def changes(directory: Path, *sections: str, of: str = "filters.f") -> list[str]:
    """What the mutants of one rule change, in their own words."""
    return [mutant.change for mutant in all_mutants(plan_of(directory, *sections).ruleset) if mutant.rule_id == of]


def mutation(directory: Path, *tests: Body, limit_s: float = 60) -> Mutation:
    """What becomes of the mutants of the sample rules."""
    write_rules(directory)
    write_tests(directory, *tests)
    ended = session(directory)
    assert ended.compiled.plan is not None
    assert ended.passed, ended.results
    return try_mutants(ended.compiled.plan, [result.test for result in ended.results], _surroundings(), limit_s)


def _surroundings() -> Surroundings:
    return Surroundings({}, {"file"}, SystemClock())


def survivors(found: Mutation, rule_id: str) -> list[str]:
    return [mutant.change for mutant in found.survivors if mutant.rule_id == rule_id]


CASES: Final = [
    ("{n: {lt: 10}}", ["is `gte`", "is `lte`", "compares with 9"]),
    ("{n: {gte: 0.5}}", ["is `lt`", "is `gt`", "compares with 0.4"]),
    ("{n: {between: [1, 5]}}", ["is turned around", "is `[2, 5]`", "is `[0, 5]`", "is `[1, 6]`", "is `[1, 4]`"]),
    ("{n: 3}", ["is `ne`", "compares with 4", "compares with 2"]),
    ("{kind: note}", ["is `ne`", 'compares with "memo"']),
    ("{t: {in: [a, b]}}", ["is `not_in`", 'is without "a"', 'is without "b"']),
    ("{t: {starts_with: a, ignore_case: true}}", ["is turned around", "is `contains`", "minds upper and lower case"]),
    ("{t: {has_all: [a, b]}}", ["is turned around", "is `has_any`", 'is without "a"', 'is without "b"']),
    ("{t: {exists: true}}", ["is `exists false`"]),
    ("{t: {eq: a, if_missing: match}}", ["is `ne`", "has `if_missing: no_match`"]),
    ("{t: {within: 1d}}", ["is `older_than`", "compares with 86400001", "compares with 86399999"]),
]


@pytest.mark.parametrize(("when", "wanted"), CASES)
def test_a_test_is_changed_as_a_slip_would_change_it(when: str, wanted: list[str], tmp_path: Path) -> None:
    found = changes(tmp_path, f"filters: {{f: {{when: {when}, then: {{allow: {{mark: m}}}}}}}}")

    words = [change.split("` ", 1)[1] for change in found if change.startswith("`")]
    assert words[0] == "is always true"
    assert words[1:] == wanted
    assert found[len(words) :] == ["the filter is off", "mark `m` is left out"]


def test_clauses_are_left_out_and_joints_swapped_but_not_where_nothing_could_tell(tmp_path: Path) -> None:
    several = "filters: {f: {when: {all: [{a: 1}, {not: {b: 2}}]}, then: {allow: {}}}}"
    implied = "filters: {f: {when: {all: [{a: {exists: true}}, {a: 1}]}, then: {allow: {}}}}"

    found = changes(tmp_path, several)
    assert {"`all` is `any`", "`a eq 1` is left out", "`not` `b eq 2` is left out", "`not` before `b eq 2` is gone"} <= set(found)
    assert "mark" not in " ".join(found), "an `allow` without a mark leaves no trace"
    assert "`a exists true` is left out" not in changes(tmp_path, implied)
    assert "`a eq 1` is left out" in changes(tmp_path, implied)


def test_conditions_on_elements_and_named_ones_are_changed_where_they_stand(tmp_path: Path) -> None:
    rules = "conditions: {c: {list: {some: {gt: 2}}}, idle: {a: 1}}\nfilters: {f: {when: {use: c}, then: {block: {}}}}"

    assert "`the element gt 2` is `gte`" in changes(tmp_path, rules, of="conditions.c")
    assert "`list some` is `every`" in changes(tmp_path, rules, of="conditions.c")
    assert "`use: c` is turned around" in changes(tmp_path, rules)
    assert changes(tmp_path, rules, of="conditions.idle") == [], "nothing uses it"


def test_actions_are_left_out_and_changed(tmp_path: Path) -> None:
    transform = "{transform: {set: {a: 1}, remove: [b], rename: {c: d}, hash: [e], mask: {g: {keep_last: 4}}}}"
    rules = f"routes: {{r: {{topic: t}}, s: {{topic: u}}}}\nfilters: {{f: {{when: {{a: 1}}, then: [{transform}, {{route: {{to: r}}}}]}}}}"

    found = changes(tmp_path, rules)

    assert [change.removeprefix("in the transform, ") for change in found if change.startswith("in the")] == [
        "`set` of `a` is left out", "`remove` of `b` is left out", "`rename` of `c` is left out", "`hash` of `e` is left out",
        "`mask` of `g` is left out", "`mask` of `g` keeps 5",
    ]  # fmt: skip
    assert {"route `r` (hint) is left out", "route `r` (hint) has `mode: copy`", "route `r` (hint) goes to `s`"} <= set(found)


def test_aggregations_change_what_a_window_can_show(tmp_path: Path) -> None:
    rules = """\
routes: {slow: {topic: slow}}
aggregations:
  a:
    key: {user: u, item: i}
    window: {hopping: 1h, every: 10m}
    late: {allow: 10m, then: {route: slow}}
    max_keys: 10
    measures: {n: count, s: {sum: x}, d: {distinct: y}, q: {quantile: x, q: 0.9}, t: {top: y, n: 3}, r: {ratio: [s, n]}}
"""
    assert changes(tmp_path, rules, of="aggregations.a") == [
        "`blocked` is `include`",
        "the window is `50m` long",
        "the window is `70m` long",
        "the key is without `user`",
        "the key is without `item`",
        "late events have no route `slow`",
        "late events are counted for `5m`",
        "late events are counted for `20m`",
        "`n`: counts nothing",
        "`s`: `sum` is `avg`",
        "`s`: reads `y`",
        "`d`: `distinct` is `count`",
        "`d`: reads `x`",
        "`q`: `q` is 0.1",
        "`q`: reads `y`",
        "`t`: `n` is 4",
        "`t`: reads `x`",
        "`r`: `s` and `n` change places",
    ]


def test_copies_types_and_times_are_changed(tmp_path: Path) -> None:
    rules = "deduplication: {note: {key: [a, b], ttl: 1h}}"

    assert changes(tmp_path, rules, of="deduplication.note") == [
        "copies are not told",
        "`key` is without `a`",
        "`key` is without `b`",
        "`ttl` is `30m`",
        "`ttl` is `2h`",
        "`on_conflict` is `reject`",
        "`on_store_failure` is `reject`",
    ]
    assert changes(tmp_path, rules, of="events") == ["`unknown_types` is `pass`"]


def test_no_mutant_means_what_the_rules_mean_or_what_another_means(tmp_path: Path) -> None:
    write_rules(tmp_path)
    plan = compile_rules(tmp_path, {}, {"file"}).plan
    assert plan is not None

    rulesets = [mutant.ruleset for mutant in all_mutants(plan.ruleset)]

    assert plan.ruleset not in rulesets
    assert len(rulesets) > 50
    assert all(ruleset not in rulesets[:index] for index, ruleset in enumerate(rulesets))


def test_a_survivor_is_told_with_its_place_its_change_and_what_would_kill_it(tmp_path: Path) -> None:
    found = mutation(tmp_path, {"event": answer("a1", took_ms=1), "expect": {"marks": ["quick"]}})

    assert "`took_ms lt 1000` is `lte`" in survivors(found, "filters.quick")
    assert "`took_ms lt 1000` is `gte`" not in survivors(found, "filters.quick"), "one test notices"
    text = mutation_report(found)
    line = next(n for n, text in enumerate((tmp_path / "rules.yaml").read_text().splitlines(), 1) if "lt: 1000" in text)
    told = text.splitlines()
    at = next(n for n, text in enumerate(told) if text.endswith(": filters.quick: `took_ms lt 1000` is `lte`"))
    assert told[at].startswith(f"SURVIVED  {tmp_path / 'rules.yaml'}:{line}:")
    assert told[at + 1] == "  no test fails; add an event with `took_ms` at the edge: 1000"
    assert text.endswith(
        f"mutants: {len(found.tried) - len(found.survivors)} of {len(found.tried)} killed, {len(found.survivors)} survived\n"
    )
    assert not found.passed


def test_the_event_of_the_hint_kills_it(tmp_path: Path) -> None:
    fast, slow = ({"event": answer("a1", took_ms=ms)} for ms in (999, 1000))
    hidden = {"secret": "x"}
    found = mutation(
        tmp_path,
        {**fast, "expect": {"marks": ["quick"], "event": {"points": 0, "secret": None}}},
        {**slow, "expect": {"marks": [], "not_filters": ["quick"]}},
        {"event": answer("a1", took_ms=1, **hidden), "expect": {"event": {"points": 0, "secret": None}}},
    )

    assert survivors(found, "filters.quick") == []


def test_what_only_comes_before_the_filters_or_in_windows_is_noticed_too(tmp_path: Path) -> None:
    attempts = [{"send": answer("a1", right=True, points=5)}, {"send": answer("a2", right=False, points=2)}]
    found = mutation(
        tmp_path,
        {
            "steps": [
                *attempts,
                {"send": answer("a1", right=True, points=5)},
                {"expect": {"status": "duplicate"}},
                {"expect": {"aggregation": "by_user", "key": "user:u1", "values": {"answers": 2, "points": 7, "mean": 3.5}}},
            ]
        },
    )

    assert "copies are not told" not in survivors(found, "deduplication.answer")
    assert "copies are not told" in survivors(found, "deduplication.note")
    assert not [
        change for change in survivors(found, "aggregations.by_user") if change.startswith(("`answers`", "`points`", "`mean`"))
    ]
    assert [change for change in survivors(found, "aggregations.by_user") if change.startswith("`right`")]


def test_the_tests_that_are_left_out_for_a_mutant_would_not_have_failed(tmp_path: Path) -> None:
    tests: tuple[Body, ...] = (
        {"event": answer("a1", took_ms=1), "expect": {"marks": ["quick"]}},
        {"event": answer("a1", agent="robot"), "expect": {"status": "blocked"}},
        {"steps": [{"send": answer("a1")}, {"expect": {"aggregation": "by_user", "key": "user:u1", "values": {"answers": 1}}}]},
        {"event": answer("a1"), "given": {"person": {"plan": "premium"}}, "expect": {"routes": ["gold"]}},
    )
    found = mutation(tmp_path, *tests)
    plan, all_tests = session(tmp_path).compiled.plan, [result.test for result in session(tmp_path).results]
    assert plan is not None

    with Bench(_surroundings()) as bench:
        alive = [m for m in found.tried if all(bench.run(_mutated(plan, m.ruleset), test).passed for test in all_tests)]

    assert [m.change for m in found.survivors] == [m.change for m in alive]


def test_rules_that_a_test_loads_itself_stay_as_they_are(tmp_path: Path) -> None:
    other = write_rules(tmp_path / "other")
    (tmp_path / "rules").mkdir()
    found = mutation(
        tmp_path / "rules",
        {"steps": [{"reload": f"../{other.name}"}, {"send": answer("a1", took_ms=1)}, {"expect": {"marks": ["quick"]}}]},
    )

    assert "the filter is off" in survivors(found, "filters.quick")


def test_mutants_beyond_the_time_are_counted_as_not_tried(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(tmp_path, {"event": answer("a1"), "expect": {"status": "accepted"}})
    ended = session(tmp_path)
    assert ended.compiled.plan is not None

    clock = ManualClock()

    def follow(mutants: object) -> object:
        for index, mutant in enumerate(mutants):  # type: ignore[var-annotated, arg-type]
            if index == 3:
                clock.advance(10_000)
            yield mutant

    tests = [result.test for result in ended.results]
    found = try_mutants(ended.compiled.plan, tests, Surroundings({}, {"file"}, clock), 10, follow)  # type: ignore[arg-type]

    assert len(found.tried) == 3
    assert found.untried > 10
    assert not found.passed
    assert f"{found.untried} mutants were not tried" in mutation_report(found)


def test_junit_has_a_case_for_each_rule_that_fails_with_its_survivors(tmp_path: Path) -> None:
    found = mutation(tmp_path, {"event": answer("a1", agent="robot"), "expect": {"status": "blocked"}})

    write_junit(session(tmp_path).results, tmp_path / "junit.xml", [found])

    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own document
    suite = next(suite for suite in root if suite.get("name") == "mutants")
    assert {case.get("name") for case in suite} == {mutant.rule_id for mutant in found.tried}
    failed = {case.get("name"): case.find("failure") for case in suite if case.find("failure") is not None}
    assert set(failed) == {mutant.rule_id for mutant in found.survivors}
    quick = failed["filters.quick"]
    assert quick is not None
    assert "`took_ms lt 1000` is `lte`" in str(quick.text)
    assert root.get("failures") == str(len(failed))


def test_a_report_of_everything_noticed_is_one_line() -> None:
    assert mutation_report(Mutation((), (), 0)) == "mutants: 0 of 0 killed\n"


def test_a_window_that_holds_something_else_says_which_events_were_not_counted_and_why(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(
        tmp_path,
        {
            "steps": [
                {"send": answer("a1", right=True)},
                {"send": {"kind": "note", "id": "n1", "user": "u1", "at": START}},
                {"expect": {"aggregation": "by_user", "key": "user:u1", "values": {"answers": 2}}},
            ]
        },
    )
    (result,) = session(tmp_path).results

    assert result.failure is not None
    tallied = [(number, tally.reason, tally.key) for number, tally in result.failure.tallied]
    assert tallied == [(2, "its condition is false", ""), (1, "", "user:u1")]
    text = human([result], verbose=False, colour=False)
    assert "values.answers: expected 2, found 1\n  event 2: by_user: not counted, its condition is false\n" in text
    assert 'false    kind eq "answer": it is "note"\n  event 1: by_user: user:u1, 2026-03-02T09:00:00.000Z to' in text
