"""Rules as they are in service and as somebody wants them, and a recording: the example of docs/replay.md and docs/plan.md."""

import json
from pathlib import Path
from typing import Any, Final

from tests.acceptance.processes import ROOT

OLD: Final = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {}}}
deduplication: {answer: {key: id, ttl: 24h}}
enrichment:
  sources: {person: {lookup: user, from: {file: {path: people.json}}, fields: [plan]}}
routes: {review: {topic: events.review}}
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 5m}
    max_keys: 10000
    measures: {answers: count, points: {sum: points}}
  by_plan:
    key: {plan: person.plan}
    window: {tumbling: 1h}
    max_keys: 10
    measures: {answers: count}
filters:
  robots: {when: {agent: {contains: robot}}, then: {block: {reason: robot}}}
  quick: {when: {took_ms: {lt: 1000}}, then: {allow: {mark: quick}}}
"""

EDITS: Final = (
    ("{lt: 1000}", "{lt: 500}"),
    ("{contains: robot}", "{contains: robot, ignore_case: true}"),
    ("max_keys: 10\n", "max_keys: 20\n"),
    ("{sum: points}", "{max: points}"),
    ("ttl: 24h", "ttl: 1h"),
)


def write_two(directory: Path) -> None:
    """`service/rules`, which are in service, and `rules` with the edits."""
    new = OLD
    for before, after in EDITS:
        assert new.count(before) == 1, before
        new = new.replace(before, after)
    for name, text in (("service/rules", OLD), ("rules", new)):
        (directory / name).mkdir(parents=True)
        (directory / name / "rules.yaml").write_text(text)
        (directory / name / "people.json").write_text('{"ann": {"plan": "free"}, "bo": {"plan": "premium"}}')
    (directory / "monday.ndjson").write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS))


def answer(number: int, **members: object) -> dict[str, Any]:
    at = f"2026-03-02T09:{number:02}:00.000Z"
    return {
        "kind": "answer",
        "id": f"a{number}",
        "user": "ann",
        "at": at,
        "agent": "browser",
        "points": 2,
        "took_ms": 2_000,
        **members,
    }


EVENTS: Final = [
    answer(1, took_ms=700),
    answer(2, agent="Robot/1.0"),
    answer(3, took_ms=400),
    answer(4, user="bo", took_ms=900),
    answer(5, user="bo", agent="a robot"),
    answer(1, took_ms=700),
    answer(7),
    {"kind": "answer", "id": "a8"},
]


def shown_in(page: str, command: str) -> str:
    """What a page shows below a command."""
    text = (ROOT / "docs" / page).read_text()
    begin = f"$ {command}\n"
    assert text.count(begin) == 1, f"docs/{page} shows `{command}` {text.count(begin)} times"
    shown = text.split(begin)[1].split("\n```\n", 1)[0] + "\n"
    return shown.replace("~~~", "```")  # a fence within a fence
