"""Good rulesets: nothing is found, and the model says what the files say."""

from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset
from engine.rules.model import (
    All,
    Allow,
    AnyOf,
    Block,
    Condition,
    Extract,
    FieldRef,
    Filter,
    LatePolicy,
    ListRef,
    Measure,
    Not,
    Ruleset,
    SendTo,
    Transform,
    Use,
)
from engine.rules.model import (
    Path as FieldPath,
)
from engine.rules.model import (
    Test as Leaf,
)
from engine.rules.paths import parse_path

GOOD = Path(__file__).parents[2] / "data" / "rules" / "good"
HOUR_MS = 3_600_000


def load(name: str) -> Ruleset:
    loaded = load_ruleset(GOOD / name, {"CONCURRENCY": "64"})
    assert loaded.findings == []
    assert loaded.ruleset is not None
    return loaded.ruleset


@pytest.fixture(scope="module")
def everything() -> Ruleset:
    return load("everything")


def filter_called(ruleset: Ruleset, name: str) -> Filter:
    return next(rule for rule in ruleset.filters if rule.id == name)


def test_the_default_rules_have_no_findings(checkout: Path) -> None:
    loaded = load_ruleset(checkout / "rules", {})

    assert loaded.findings == []


def test_rules_that_look_like_wrong_ones_have_no_findings() -> None:
    assert load("near_misses").filters


def test_what_is_not_written_has_its_default() -> None:
    events = load("minimal").events

    assert (events.wait_ms, events.late, events.max_future_ms, events.max_past_ms) == (
        0,
        LatePolicy(),
        300_000,
        30 * 24 * HOUR_MS,
    )
    assert events.unknown_types == "reject"


def test_sections_may_be_spread_over_files() -> None:
    ruleset = load("split")

    assert list(ruleset.events.types) == ["attempt", "session"]
    assert ruleset.enrichment.budget_ms == 50


def test_filters_run_by_order_and_then_as_written() -> None:
    assert [rule.id for rule in load("split").filters] == ["first", "second", "last"]


def test_durations_are_milliseconds_and_none_switches_a_limit_off(everything: Ruleset) -> None:
    events = everything.events

    assert (events.wait_ms, events.max_future_ms, events.max_past_ms) == (2_000, None, 7 * 24 * HOUR_MS)
    assert events.late == LatePolicy("route", "late-events")
    assert everything.deduplication["attempt"].ttl_ms == 24 * HOUR_MS


def test_a_deduplication_key_is_one_field_or_many(everything: Ruleset) -> None:
    assert everything.deduplication["attempt"].key == (parse_path("user_id"), parse_path("item_id"))
    assert everything.deduplication["session"].key == (parse_path("session_id"),)


def test_a_source_is_asked_first_and_its_fallbacks_after(everything: Ruleset) -> None:
    source = everything.enrichment.sources["user"]

    assert [spec.kind for spec in source.chain] == ["http", "redis", "file"]
    assert source.default == {"country": "??", "teams": [1, None]}


def test_the_environment_fills_settings_and_numbers_become_numbers(everything: Ruleset) -> None:
    settings = everything.enrichment.sources["user"].chain[0].settings

    assert (settings["url"], settings["timeout"], settings["concurrency"]) == ("http://localhost/users/{key}", 200, 64)


def test_settings_that_are_not_written_have_their_defaults_and_times_are_milliseconds(everything: Ruleset) -> None:
    item = everything.enrichment.sources["item"]

    assert item.max_waiting == 50
    assert [spec.settings for spec in item.chain] == [
        {
            "url": "https://items.example/{key}",
            "batch_url": "https://items.example/?ids={keys}",
            "batch_size": 20,
            "id": "code",
            "headers": {"Authorization": "Bearer none"},
            "timeout": 1_000,
            "concurrency": 64,
            "max_answer_bytes": 65_536,
        },
        {
            "url": "postgresql://reader@localhost/items",
            "query": "select id::text, level from items where id::text in :keys",
            "batch_size": 100,
            "id": "id",
            "timeout": 1_000,
            "concurrency": 4,
        },
    ]


def test_derived_fields_keep_their_order_and_arguments(everything: Ruleset) -> None:
    derived = everything.enrichment.derived

    assert list(derived) == ["speed", "gap", "pace", "hour", "part", "topic"]
    assert derived["speed"].args == (parse_path("response_time_ms"), (1000, 30000), ("fast", "normal", "slow"))
    assert derived["gap"].args == (parse_path("score"), 0.5)
    assert derived["hour"].args == (parse_path("timestamp"), "UTC")
    assert derived["part"].args == (parse_path("timestamp"), FieldRef(parse_path("user.timezone")))


def test_a_hopping_window_has_panes_and_a_tumbling_one_is_its_own_pane(everything: Ruleset) -> None:
    hourly, system = everything.aggregations["hourly"], everything.aggregations["system"]

    assert (hourly.size_ms, hourly.every_ms) == (HOUR_MS, 300_000)
    assert (system.size_ms, system.every_ms) == (60_000, 60_000)
    assert (hourly.allow_late_ms, hourly.late_route, hourly.emit) == (600_000, "late-events", None)
    assert system.key == ()


def test_measures_say_what_they_read(everything: Ruleset) -> None:
    measures = {measure.name: measure for measure in everything.aggregations["hourly"].measures}

    assert measures["attempts"] == Measure("attempts", "count")
    assert measures["right"] == Measure("right", "count", condition=Leaf(parse_path("is_correct"), "eq", value=True))
    assert measures["accuracy"] == Measure("accuracy", "ratio", of=("right", "attempts"))
    assert measures["p95"] == Measure("p95", "quantile", parse_path("response_time_ms"), q=0.95)
    assert measures["items"] == Measure("items", "distinct", parse_path("score"), exact=True)
    assert measures["topics"] == Measure("topics", "top", parse_path("country"), n=3)


def test_yaml_1_1_traps_are_text_in_lists(everything: Ruleset) -> None:
    assert everything.lists["homes"] == ("DE", "no", "on", "017")


def test_a_filter_keeps_its_mode_order_and_description(everything: Ruleset) -> None:
    bots = filter_called(everything, "bots")

    assert (bots.mode, bots.order, bots.description) == ("shadow", -5, "By what they call themselves")
    assert bots.when == Leaf(parse_path("user_agent"), "matches_any", ListRef("agents"), ignore_case=True)
    assert bots.actions == (Block("bot"),)
    assert everything.routing == "first_match"


def test_a_map_is_all_of_its_lines(everything: Ruleset) -> None:
    when = filter_called(everything, "shapes").when

    assert isinstance(when, All)
    assert when.items[:4] == (
        Use("at_home"),
        Leaf(parse_path("response_time_ms"), "gte", 5),
        Leaf(parse_path("response_time_ms"), "lt", 1000),
        Leaf(parse_path("score"), "ne", 0, if_missing="match"),
    )


def test_none_is_all_of_the_opposites(everything: Ruleset) -> None:
    when = filter_called(everything, "shapes").when
    own_kind: Condition = Leaf(parse_path("$.user.kind"), "exists", value=True)
    same_item = Leaf(parse_path("item_id"), "eq", FieldRef(parse_path("previous_item")))

    assert isinstance(when, All)
    assert when.items[4:6] == (Not(own_kind), Not(Not(same_item)))


def test_conditions_on_elements_start_at_the_element(everything: Ruleset) -> None:
    when = filter_called(everything, "shapes").when
    element = FieldPath("", ())

    assert isinstance(when, All)
    assert isinstance(when.items[6], AnyOf)
    sizes, devices, texts, times, networks = when.items[6].items
    assert sizes == All(
        (Leaf(parse_path("topics"), "has", "algebra"), Leaf(parse_path("topics"), "size", Leaf(element, "gte", 1)))
    )
    assert devices == All(
        (
            Leaf(parse_path("devices"), "some", Leaf(parse_path("os"), "eq", "ios")),
            Leaf(parse_path("devices"), "every", Leaf(parse_path("year"), "between", (2000, 2030))),
        )
    )
    assert texts == Leaf(parse_path("topics"), "some", Leaf(element, "starts_with", "al"))
    assert isinstance(times, All)
    assert times.items[0] == Leaf(parse_path("created_at"), "within", 7 * 24 * HOUR_MS)
    assert networks == Leaf(parse_path("ip"), "in_cidr", ("10.0.0.0/8",))


def test_actions_are_carried_out_as_listed(everything: Ruleset) -> None:
    transform, send = filter_called(everything, "shapes").actions

    assert transform == Transform(
        set=(
            (parse_path("risk"), "high"),
            (parse_path("home"), FieldRef(parse_path("user.country"))),
            (parse_path("first"), Extract("topics[0]")),
            (parse_path("nothing"), None),
            (parse_path("meta"), {"a": 1, "b": ["x"]}),
        ),
        remove=(parse_path("email"),),
        rename=((parse_path("usr"), parse_path("user_name")),),
        hash=(parse_path("phone"),),
        mask=((parse_path("card"), 4),),
    )
    assert send == SendTo("windows", "move")


def test_allow_needs_no_mark() -> None:
    assert filter_called(load("split"), "first").actions == (Allow("first"),)


def test_what_a_schema_declares_in_its_parts_is_no_misspelt_member() -> None:
    assert load("composed_schema").tests[0].mentions
