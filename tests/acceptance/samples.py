"""A small ruleset with one of everything, and events for it."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

HOUR_MS: Final = 3_600_000
START_MS: Final = (int(time.time() * 1000) // HOUR_MS - 2) * HOUR_MS
"""A full hour, long enough ago that nothing here lies in the future, and late enough that nothing expires meanwhile."""

WINDOW_MS: Final = 300_000

_RULES: Final = """\
version: 1
events:
  type: kind
  time: at
  key: user
  types:
    answer: {schema: answer.schema.json}

deduplication:
  answer: {key: id, ttl: 24h}

enrichment:
  sources:
    person:
      lookup: user
      from: {file: {path: people.json}}
      fields: [plan]
  derived:
    pace: {bucket: took_ms, edges: [1000], labels: [quick, slow]}

aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 5m}
    late: {allow: 1h, then: count}
    retain: 7d
    max_keys: 10000
    measures:
      answers: count
      points: {sum: points}
      slowest_ms: {max: took_ms}

filters:
  robots:
    when: {agent: {contains: robot}}
    then: {block: {reason: robot}}
  quick:
    when: {took_ms: {lt: 1000}}
    then: {allow: {mark: quick}}
"""

_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["kind", "id", "user", "at", "agent", "points"],
    "properties": {
        "kind": {"const": "answer"},
        "id": {"type": "string"},
        "user": {"type": "string"},
        "at": {"type": "integer"},
        "agent": {"type": "string"},
        "points": {"type": "integer", "minimum": 0},
        "took_ms": {"type": "integer", "minimum": 0},
    },
}

PLANS: Final = {f"u{n}": "premium" if n % 2 else "free" for n in range(20)}

Event = dict[str, Any]


def write_rules(directory: Path) -> Path:
    directory.mkdir()
    (directory / "rules.yaml").write_text(_RULES)
    (directory / "answer.schema.json").write_text(json.dumps(_SCHEMA))
    (directory / "people.json").write_text(json.dumps({user: {"plan": plan} for user, plan in PLANS.items()}))
    return directory


def answer(identity: str, **members: object) -> Event:
    return {"kind": "answer", "id": identity, "user": "u1", "at": START_MS, "agent": "browser", "points": 1, **members}


def add_an_event_that_transforms_make_unfit(rules: Path) -> Event:
    """Have rules nest a member of an event more deeply than can be sent; returns the event."""
    below = ".a" * 31
    for turn in range(8):  # each puts what the one before it made another 32 deep
        change = f"transform: {{remove: [agent], set: {{n{turn + 1}{below}: {{field: n{turn}}}}}}}"
        text = rules.read_text()
        rules.write_text(f"{text}  deep{turn}:\n    when: {{n0: {{exists: true}}}}\n    then: {{{change}}}\n")
    return answer("unfit", n0=[[[[[[1]]]]]])


def ndjson(events: list[Event]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def read_lines(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
