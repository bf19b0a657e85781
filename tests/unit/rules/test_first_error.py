"""Errors of rules are counted each time, and said once for each rule of a generation, without what stood in the event."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from engine.pipeline.aggregate import Aggregator
from engine.rules import measures
from engine.rules.first_error import FirstError
from engine.rules.model import Allow, Extract, Measure, Transform
from engine.rules.model import Test as Leaf
from engine.testing import ManualClock
from tests.unit.pipeline.test_aggregate import RULE, Refuses, make_code, make_event
from tests.unit.rules.test_codegen import ALWAYS, path, rule, ruleset_of, run

PRIVATE = "a secret of the event \ud800"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


def said_of(subject: str, messages: Sequence[str]) -> list[str]:
    return [message for message in messages if message.startswith(f"{subject}: ")]


def test_a_filter_that_raises_says_so_once_and_shows_nothing_of_the_event(caplog: pytest.LogCaptureFixture) -> None:
    ruleset = ruleset_of(
        rule("pattern", Leaf(path("t"), "matches", "a"), Allow("m")),
        rule("change", ALWAYS, Transform(set=((path("x"), Extract("abs(t)")),))),
    )

    with caplog.at_level(logging.INFO):
        _, counts = run(ruleset, *({"t": PRIVATE, "n": number} for number in range(3)))

    assert counts.errors == [3, 3]
    assert len(warnings(caplog)) == 2
    (of_pattern,) = said_of("filter `pattern`", warnings(caplog))
    assert "UnicodeEncodeError in " in of_pattern
    assert len(said_of("filter `change`", warnings(caplog))) == 1
    assert "secret" not in caplog.text


def test_the_next_generation_says_it_again(caplog: pytest.LogCaptureFixture) -> None:
    ruleset = ruleset_of(rule("pattern", Leaf(path("t"), "matches", "a"), Allow("m")))

    run(ruleset, {"t": PRIVATE})
    run(ruleset, {"t": PRIVATE})

    assert len(said_of("filter `pattern`", warnings(caplog))) == 2


def test_an_aggregation_whose_measure_raises_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("refuses", "tests:Refuses", "rulemill.measures")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Refuses())
    monkeypatch.setattr(measures, "entry_points", lambda **_: [point])
    own = Measure("own", "custom", path("v"), plugin="refuses")
    aggregator = Aggregator(make_code(replace(RULE, measures=(own,))), ManualClock())

    aggregator.add([make_event(user="u", v="secret") for _ in range(3)], None)

    assert aggregator.live[0].errors == 3
    (message,) = said_of("aggregation `a`", warnings(caplog))
    assert "TypeError in `update`, pipeline/test_aggregate.py:" in message
    assert "secret" not in "".join(warnings(caplog))


def test_the_error_in_full_is_there_for_those_who_ask(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        FirstError("filter `x`")(ValueError("a secret"))

    assert "a secret" not in "".join(warnings(caplog))
    assert "ValueError: a secret" in caplog.text
