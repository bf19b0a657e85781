"""How much may change."""

import pytest

from engine.replays.limit import parse_limit


@pytest.mark.parametrize(
    ("text", "changed", "events", "exceeded"),
    [
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("25", 25, 30, False),
        ("25", 26, 1_000_000, True),
        ("0.5%", 5, 1_000, False),
        ("0.5%", 6, 1_000, True),
        ("0%", 0, 0, False),
        ("100%", 10, 10, False),
    ],
)
def test_exactly_the_limit_is_within_it(text: str, changed: int, events: int, exceeded: bool) -> None:
    assert parse_limit(text).is_exceeded(changed, events) is exceeded


@pytest.mark.parametrize("text", ["", "-1", "0.5", "101%", "5 %", "half", "1e3", "٣"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="write a number of events, `25`, or a share of them"):
        parse_limit(text)
