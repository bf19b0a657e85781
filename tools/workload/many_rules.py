"""How long `validate-rules` takes on a large ruleset: a process for each run, as an editor or CI starts it.

Writes filters of four tests each, with a matching and a non-matching test beside each of them, and prints the CPU and wall seconds of every run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_COMMAND = "import sys; from engine.cli.validate_rules import main; sys.exit(main())"
_HEAD = """\
version: 1
events: {type: event_type, time: timestamp, types: {attempt: {}, session: {}}}
routes: {review: {topic: review}}
filters:
"""
_FILTER = """\
  filter_{number}:
    description: Answers of users of plan {number} that took long
    when:
      event_type: attempt
      response_time_ms: {{gte: {number}}}
      any: [{{plan: plan_{number}}}, {{country: {{in: [c{number}, DE, FR]}}}}]
    then: {{route: {{to: review}}}}
"""
_TESTS = """\
  - name: filter {number} matches
    event: {{event_type: attempt, response_time_ms: {number}, plan: plan_{number}}}
    expect: {{filters: [filter_{number}]}}
  - name: filter {number} leaves others alone
    event: {{event_type: attempt, response_time_ms: 0, plan: other}}
    expect: {{not_filters: [filter_{number}]}}
"""


def write_rules(directory: Path, filters: int) -> None:
    """Write a ruleset without findings: `rules.yaml`, and `tests.yaml` in parts of 1,000 filters."""
    numbers = range(1, filters + 1)
    (directory / "rules.yaml").write_text(_HEAD + "".join(_FILTER.format(number=number) for number in numbers))
    for first in range(0, filters, 1_000):
        part = "".join(_TESTS.format(number=number) for number in numbers[first : first + 1_000])
        (directory / f"tests_{first}.yaml").write_text(f"version: 1\ntests:\n{part}")


def main() -> None:
    """Measure, and print a line for each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("filters", nargs="?", type=int, default=1_000, metavar="FILTERS", help="default: %(default)s")
    parser.add_argument("runs", nargs="?", type=int, default=5, metavar="RUNS", help="default: %(default)s")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        write_rules(Path(scratch), chosen.filters)
        for _ in range(chosen.runs):
            cpu, wall = os.times(), time.perf_counter()
            subprocess.run([sys.executable, "-c", _COMMAND, scratch, "--fail-on", "warning"], check=True)
            after = os.times()
            used = after.children_user + after.children_system - cpu.children_user - cpu.children_system
            print(f"{chosen.filters:,} filters: {used:.2f} s of CPU, {time.perf_counter() - wall:.2f} s in all")


if __name__ == "__main__":
    main()
