"""Derived fields: each kind, and what is left out."""

from typing import Final, Literal, cast

import pytest

from engine.event import Event, JsonObject, Submission
from engine.ports import Context
from engine.rules.enrichment_codegen import Enriched, compile_enrichment
from engine.rules.model import Derived, Enrichment, Events, Extract, FieldRef, Path, Ruleset, Source


def path(text: str) -> Path:
    return Path(text, tuple(text.split(".")))


TIME: Final = "2026-07-01T21:30:00Z"


def derive(data: JsonObject, *fields: Derived, item: JsonObject | None = None) -> JsonObject:
    """The derived fields of one event, whose source `item` found this."""
    sources = {"item": Source("item", path("item_id"), ())}
    ruleset = Ruleset(
        "digest",
        Events(path("type"), path("time"), None),
        enrichment=Enrichment(sources=sources, derived={field.name: field for field in fields}),
    )
    data = {"item_id": "i", **data}
    submission = Submission([data], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None)
    event = Event(data, None, "attempt", 0, None, None, 0, 0, submission, 0)
    enriched = Enriched.of(1)
    compile_enrichment(ruleset)([event], [{"i": Context(item or {}, "fresh")}], enriched)
    assert (enriched.waiting, enriched.errors) == ([], [])
    return cast("dict[str, JsonObject]", event.data["enrichment"])["derived"]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (999, "fast"),
        (1000, "normal"),
        (29_999.5, "normal"),
        (30_000, "slow"),
        (-1, "fast"),
        (True, None),
        ("5", None),
        (None, None),
    ],
)
def test_a_bucket_starts_at_its_edge(value: object, label: str | None) -> None:
    field = Derived("d", "bucket", (path("ms"), (1000, 30_000), ("fast", "normal", "slow")))
    assert derive({"ms": value}, field) == ({} if label is None else {"d": label})


@pytest.mark.parametrize(
    ("kind", "x", "y", "derived"),
    [
        ("difference", 2**64 - 1, 0, {"d": 2**64 - 1}),
        ("difference", 2**64 - 1, -2, {}),
        ("difference", -(2**63), 1, {}),
        ("difference", 1e308, -1e308, {}),
        ("ratio", 1e300, 1e-300, {}),
        ("ratio", 1e300, 1e20, {"d": 1e280}),
    ],
)
def test_a_number_that_no_event_can_hold_is_left_out(
    kind: Literal["difference", "ratio"], x: float, y: float, derived: JsonObject
) -> None:
    assert derive({"x": x, "y": y}, Derived("d", kind, (path("x"), path("y")))) == derived


def test_an_expression_that_makes_such_a_number_finds_nothing() -> None:
    fields = [
        Derived(name, "jmespath", (Extract(text),)) for name, text in {"a": "floor(x)", "b": "[floor(x)]", "c": "x"}.items()
    ]
    assert derive({"x": 1e30}, *fields) == {"c": 1e30}


def test_difference_and_ratio_take_fields_and_numbers() -> None:
    fields = (
        Derived("a", "difference", (path("item.x"), path("y"))),
        Derived("b", "ratio", (path("y"), 4)),
        Derived("c", "difference", (1, path("y"))),
    )
    assert derive({"y": 3}, *fields, item={"x": 5.5}) == {"a": 2.5, "b": 0.75, "c": -2}


@pytest.mark.parametrize("divisor", [0, 0.0, None, "2", True])
def test_a_ratio_to_zero_or_to_no_number_is_left_out(divisor: object) -> None:
    assert derive({"y": 3, "z": divisor}, Derived("d", "ratio", (path("y"), path("z")))) == {}


@pytest.mark.parametrize(
    ("zone", "hour"),
    [
        ("UTC", 21),
        ("Europe/Berlin", 23),
        ("Asia/Kolkata", 3),
        ("America/New_York", 17),
        ("Nowhere/Land", None),
        ("../etc/passwd", None),
    ],
)
def test_an_hour_is_that_of_the_zone(zone: str, hour: int | None) -> None:
    wanted = {} if hour is None else {"d": hour}
    assert derive({"t": TIME}, Derived("d", "hour", (path("t"), zone))) == wanted
    assert derive({"t": TIME, "z": zone}, Derived("d", "hour", (path("t"), FieldRef(path("z"))))) == wanted


@pytest.mark.parametrize("zone", [None, 5, ["UTC"], ""])
def test_a_zone_that_is_no_name_leaves_the_hour_out(zone: object) -> None:
    assert derive({"t": TIME, "z": zone}, Derived("d", "hour", (path("t"), FieldRef(path("z"))))) == {}


@pytest.mark.parametrize(
    ("hour", "part"),
    [
        (0, "night"),
        (5, "night"),
        (6, "morning"),
        (11, "morning"),
        (12, "afternoon"),
        (17, "afternoon"),
        (18, "evening"),
        (23, "evening"),
    ],
)
def test_a_day_has_four_parts_of_six_hours(hour: int, part: str) -> None:
    assert derive({"t": f"2026-07-01T{hour:02}:59:59Z"}, Derived("d", "part_of_day", (path("t"), "UTC"))) == {"d": part}


def test_hours_before_1970_are_hours_too() -> None:
    assert derive({"t": "1969-12-31T23:00:00Z"}, Derived("d", "hour", (path("t"), "UTC"))) == {"d": 23}


def test_what_is_no_time_has_no_hour() -> None:
    assert (
        derive(
            {"t": "tomorrow"}, Derived("d", "hour", (path("t"), "UTC")), Derived("e", "part_of_day", (path("t"), "Europe/Berlin"))
        )
        == {}
    )


def test_an_expression_sees_sources_by_name_and_is_left_out_where_it_fails() -> None:
    fields = (
        Derived("topic", "jmespath", (Extract("item.topics[0]"),)),
        Derived("nothing", "jmespath", (Extract("item.none"),)),
        Derived("fails", "jmespath", (Extract("abs(item.topics)"),)),
        Derived("own", "jmespath", (Extract("item_id"),)),
    )
    assert derive({"item_id": "i", "item": "hidden by the source"}, *fields, item={"topics": ["algebra"]}) == {
        "topic": "algebra",
        "own": "i",
    }


def test_a_derived_field_sees_those_before_it() -> None:
    fields = (
        Derived("a", "difference", (path("x"), 1)),
        Derived("b", "difference", (path("derived.a"), 1)),
        Derived("c", "jmespath", (Extract("derived.b"),)),
    )
    assert derive({"x": 5}, *fields) == {"a": 4, "b": 3, "c": 3}
    assert derive({"x": 5}, *reversed(fields)) == {"a": 4}
