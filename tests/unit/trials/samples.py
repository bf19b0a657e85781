"""A ruleset with something for each step and each expectation, and a way to run tests beside it."""

from pathlib import Path
from typing import Any, Final

import yaml

from engine.clock import SystemClock
from engine.rules.reports import concise
from engine.trials.bench import Surroundings
from engine.trials.runner import Session, run_tests
from engine.trials.trial import TrialResult

RULES: Final = """\
version: 1
events:
  type: kind
  time: at
  key: user
  ordering: {wait: WAIT, late: flag}
  max_skew: {future: 5m, past: 30d}
  types: {answer: {schema: answer.schema.json}, note: {}}

deduplication:
  answer: {key: id, ttl: 1h, on_store_failure: pass}
  note: {key: id, ttl: 1h, on_store_failure: reject}

enrichment:
  sources:
    person:
      lookup: user
      from: {file: {path: people.json}}
      fields: [plan, level]
  derived:
    pace: {bucket: took_ms, edges: [1000], labels: [quick, slow]}

routes:
  gold: {topic: events.gold}
  vault: {topic: events.vault}

filters:
  robots:
    when: {agent: {contains: robot}}
    then: {block: {reason: robot}}
  quick:
    when: {took_ms: {lt: 1000}}
    then: [{allow: {mark: quick}}, {transform: {set: {points: 0}, remove: [secret]}}]
  golden:
    when: {person.plan: premium}
    then: {route: {to: gold, mode: copy}}
  vaulted:
    when: {vault: true}
    then: {route: {to: vault, mode: move}}
  watched:
    mode: shadow
    when: {points: {gt: 100}}
    then: {allow: {mark: many}}

aggregations:
  by_user:
    when: {kind: answer}
    key: {user: user}
    window: {tumbling: 5m}
    late: {allow: 1h, then: count}
    max_keys: 1000
    measures:
      answers: count
      points: {sum: points}
      mean: {avg: points}
      right: {count: {right: true}}
"""

SCHEMA: Final = """\
{"type": "object", "required": ["kind", "id", "user", "at"],
 "properties": {"kind": {"const": "answer"}, "id": {"type": "string"}, "user": {"type": "string"}, "at": {"type": ["string", "integer"]},
   "agent": {"type": "string"}, "points": {"type": "integer", "minimum": 0}, "took_ms": {"type": "integer"},
   "secret": {"type": "string"}, "vault": {"type": "boolean"}, "right": {"type": "boolean"}}}
"""

START: Final = "2026-03-02T09:00:00Z"
Body = dict[str, Any]


def answer(identity: str, **members: object) -> Body:
    return {"kind": "answer", "id": identity, "user": "u1", "at": START, "points": 1, **members}


def write_rules(directory: Path, *, wait: str = "0ms", rules: str = RULES) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "rules.yaml").write_text(rules.replace("WAIT", wait))
    (directory / "answer.schema.json").write_text(SCHEMA)
    (directory / "people.json").write_text("{}")
    return directory


def write_tests(directory: Path, *tests: Body, file: str = "tests.yaml") -> Path:
    path = directory / file
    path.parent.mkdir(exist_ok=True, parents=True)
    named = [{"name": f"test {number}", **test} for number, test in enumerate(tests)]
    path.write_text(yaml.safe_dump({"version": 1, "tests": named}, sort_keys=False))
    return path


def session(path: Path, wanted: str = "") -> Session:
    return run_tests(path, wanted, Surroundings({}, {"file"}, SystemClock()))


def run(directory: Path, *tests: Body, wait: str = "0ms") -> list[TrialResult]:
    """The results of tests beside the sample rules."""
    write_rules(directory, wait=wait)
    write_tests(directory, *tests)
    ended = session(directory)
    assert ended.compiled.plan is not None, concise(ended.compiled.findings, ended.compiled.sources)
    return ended.results


def steps(directory: Path, *steps: Body, wait: str = "0ms", **body: object) -> TrialResult:
    """The result of one test of these steps."""
    (result,) = run(directory, {**body, "steps": list(steps)}, wait=wait)
    return result
