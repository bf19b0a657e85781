"""`rulemill replay` as a process: recordings of every kind, what is told, and the gate."""

import fcntl
import gzip
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill
from tests.acceptance.samples import ndjson, read_lines
from tests.acceptance.two_rulesets import EVENTS, answer, shown_in, write_two

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = "replay.md"


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A directory with the rules in service, other ones, and a recording."""
    write_two(tmp_path)
    return tmp_path


def told(directory: Path, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
    ended = rulemill("replay", *arguments, cwd=directory, stdin=stdin)
    assert ended.returncode == code, ended.stderr.decode()
    return ended.stdout.decode()


def as_json(directory: Path, *arguments: str, stdin: bytes = b"") -> Any:
    return json.loads(told(directory, *arguments, "--format", "json", stdin=stdin))


def without_timing(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in counts.items() if name not in {"seconds", "events_per_second", "path"}}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("rulemill replay monday.ndjson", 0),
        ("rulemill replay monday.ndjson --against service/rules --samples 1", 0),
        ("rulemill replay monday.ndjson --against service/rules --samples 1 --max-changed 5% --format markdown", 1),
    ],
)
def test_it_tells_what_its_page_shows(two: Path, command: str, code: int) -> None:
    assert told(two, *command.split()[2:], code=code) == shown_in(PAGE, command)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_recording_may_be_packed_and_come_from_standard_input(two: Path, pack: Any) -> None:
    packed = pack((two / "monday.ndjson").read_bytes())
    (two / "monday.txt").write_bytes(packed)
    arguments = ("--rules", "rules", "--against", "service/rules")

    from_file, piped = as_json(two, "monday.txt", *arguments), as_json(two, "-", *arguments, stdin=packed)

    for report in (from_file, piped):
        assert (report["events"]["read"], report["changed"], report["unchanged"]) == (8, 3, 5)
        assert report["rules"].pop("seconds") > 0
    assert from_file["groups"] == piped["groups"]
    assert from_file["aggregations"] == piped["aggregations"]


@pytest.mark.parametrize(("limit", "code"), [("37.5%", 0), ("2", 1)])
def test_more_changes_than_may_be_end_with_1(two: Path, limit: str, code: int) -> None:
    out = told(two, "monday.ndjson", "--against", "service/rules", "--max-changed", limit, code=code)

    assert out.endswith(f"3 changed decisions of 8 are {'more than' if code else 'within'} the limit of {limit}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.ndjson",), "gone.ndjson"),
        (("monday.ndjson", "--max-changed", "5"), "--against DIR"),
        (("monday.ndjson", "--against", "rules", "--max-changed", "much"), "`much` is no limit"),
        (("monday.ndjson", "--given", "given.yaml"), "there is no source `persn`; did you mean `person`?"),
        (("cut.gz",), "is damaged or cut off after line"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_why(two: Path, arguments: tuple[str, ...], message: str) -> None:
    (two / "given.yaml").write_text("persn: {plan: free}\n")
    (two / "cut.gz").write_bytes(gzip.compress(ndjson(EVENTS))[:-20])

    ended = rulemill("replay", *arguments, cwd=two)

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert message in ended.stderr.decode()


def test_on_a_terminal_it_shows_how_far_it_is_and_takes_that_away_at_the_end(two: Path) -> None:
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [*COMMAND, "replay", "monday.ndjson"]
    ended = subprocess.run(
        command, cwd=two, env=environment(), stdout=subprocess.PIPE, stderr=writer, timeout=TIMEOUT_S, check=True
    )
    os.close(writer)
    shown = os.read(reader, 65_536).decode()
    os.close(reader)

    assert f"0.00/{(two / 'monday.ndjson').stat().st_size} " in shown
    assert shown.endswith(" \r")
    assert ended.stdout.decode() == shown_in(PAGE, "rulemill replay monday.ndjson")


def test_rules_with_errors_on_either_side_end_with_1_and_their_findings(two: Path) -> None:
    (two / "bad").mkdir()
    (two / "bad" / "rules.yaml").write_text("version: 1\nfilter: {}\n")

    for arguments in (("--rules", "bad", "--against", "rules"), ("--rules", "rules", "--against", "bad")):
        ended = rulemill("replay", "monday.ndjson", *arguments, cwd=two)
        assert (ended.returncode, ended.stdout) == (1, b"")
        assert b"bad/rules.yaml:2:1" in ended.stderr


def test_it_counts_as_process_does_over_recordings_of_several_blocks(two: Path) -> None:
    events = [answer(number % 60, id=f"e{number % 1_900}", user=f"u{number % 40}", took_ms=number) for number in range(2_300)]
    rules = two / "rules" / "rules.yaml"
    rules.write_text(rules.read_text().replace("key: user,", "key: user, max_skew: {future: none, past: none},"))
    (two / "many.ndjson").write_bytes(ndjson(events) + b"no event\n\n")
    assert rulemill("process", "many.ndjson", "--summary", "summary.json", cwd=two).returncode == 0

    for store in ("sqlite", "memory"):
        report = as_json(two, "many.ndjson", "--store", store)
        assert without_timing(report["rules"]) == without_timing(json.loads((two / "summary.json").read_bytes()))


def test_the_records_and_dead_letters_of_a_run_can_be_replayed_with_what_they_have_of_contexts(two: Path) -> None:
    rules = two / "rules" / "rules.yaml"
    rules.write_text(rules.read_text().replace("key: user,", "key: user, max_skew: {future: none, past: none},"))
    assert rulemill("process", "monday.ndjson", "--out", "out.ndjson", cwd=two).returncode == 0
    (two / "rules" / "people.json").write_text('{"ann": {"plan": "gold"}}')
    lines = (two / "out.ndjson").read_bytes() + (two / "out.dead-letters.ndjson").read_bytes()
    assert len(read_lines(two / "out.ndjson")) == 4

    recorded = as_json(two, "-", "--enrichment", "recorded", stdin=lines)
    asked = as_json(two, "-", stdin=lines)

    assert recorded["events"] == {"read": 5, "events": 0, "records": 4, "dead_letters": 1}
    assert (recorded["rules"]["accepted"], recorded["rules"]["rejected"]) == (4, 1)
    assert recorded["rules"]["aggregations"]["by_plan"] == {"groups": 2, "events": 4}
    assert asked["rules"]["aggregations"]["by_plan"] == {"groups": 1, "events": 3}
