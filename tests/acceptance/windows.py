"""Closed windows as records: a ruleset that publishes them, and what the records say in the end."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.acceptance.samples import epoch_ms

Windows = Mapping[tuple[str, int], dict[str, int]]


def emitting(rules: Path, *, topic: str = "windows", late: str = "{allow: 1h, then: count}", idle: str = "1m") -> None:
    """Have the ruleset in this file publish its windows, once they are closed, to a topic."""
    emit = f"    emit: {{to: windows, idle: {idle}}}\n"
    text = rules.read_text().replace("    retain: 7d\n", f"    retain: 7d\n{emit}").replace("{allow: 1h, then: count}", late)
    rules.write_text(f"{text}routes:\n  windows: {{topic: {topic}}}\n")


def last_revisions(records: list[dict[str, Any]]) -> Windows:
    """What each window was told as in the end. No revision may say two things."""
    told: defaultdict[tuple[str, int], dict[int, dict[str, int]]] = defaultdict(dict)
    for record in records:
        revisions = told[record["key"], epoch_ms(record["start"])]
        assert revisions.setdefault(record["revision"], record["values"]) == record["values"], "a revision says two things"
    return {window: revisions[max(revisions)] for window, revisions in told.items()}
