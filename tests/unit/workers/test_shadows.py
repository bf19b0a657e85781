"""What several workers have seen of a ruleset in the shadow, as one answer."""

from typing import Any

import pytest

from engine.workers.channel import NoAnswer
from engine.workers.shadows import ShadowsOfAll, together


def sample(time: str) -> dict[str, str]:
    return {"id": time, "time": time}


def seen(ruleset: str = "r", against: str | None = "a", events: int = 0, *times: str) -> dict[str, Any]:
    return {
        "ruleset": ruleset,
        "directory": "candidate",
        "findings": [],
        "rejected": None,
        "loaded_at": "2026-03-02T09:00:00Z",
        "against": against,
        "events": events,
        "differing": len(times),
        "errors": 1,
        "differences": {"blocked": len(times), "marks": 0},
        "filters": {"f": {"mode": "enforce", "matched": events}},
        "samples": [sample(time) for time in times],
    }


def test_counts_add_up_and_the_newest_samples_are_kept() -> None:
    old, new = (
        [f"2026-03-02T09:00:{second:02}Z" for second in range(15)],
        [f"2026-03-02T10:00:{second:02}Z" for second in range(15)],
    )

    found: dict[str, Any] = together({"1": seen("r", "a", 20, *old), "2": seen("r", "a", 30, *new)})

    assert (found["events"], found["differing"], found["errors"], found["differences"]) == (
        50,
        30,
        2,
        {"blocked": 30, "marks": 0},
    )
    assert found["filters"] == {"f": {"mode": "enforce", "matched": 50}}
    assert [one["time"] for one in found["samples"]] == [*reversed(new), *reversed(old)][:20]
    assert found["workers"] == {"1": "r", "2": "r"}


def test_only_those_that_compare_what_most_compare_are_counted_and_each_is_named() -> None:
    answers = {
        "1": seen("r", "a", 1),
        "2": seen("s", "a", 2),
        "3": seen("r", None, 0),
        "4": seen("r", "b", 8),
        "5": seen("r", "a", 16),
    }

    found: dict[str, Any] = together(answers)

    assert (found["ruleset"], found["against"], found["events"]) == ("r", "a", 17)
    assert found["workers"] == {"1": "r", "2": "s", "3": "r", "4": "r", "5": "r"}


def test_where_nothing_is_tried_anywhere_it_says_why() -> None:
    broken: dict[str, Any] = {"ruleset": None, "directory": "candidate", "findings": [], "rejected": {"reason": "1 error"}}

    assert together({"1": broken, "2": broken}) == {**broken, "workers": {"1": None, "2": None}}
    assert together({"1": broken, "2": seen("r", "a", 3)})["rejected"] == {"reason": "1 error"}


async def test_without_any_answer_there_is_none() -> None:
    with pytest.raises(NoAnswer):
        await ShadowsOfAll(list).answer({"reload": False})
