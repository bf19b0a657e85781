"""`rulemill process` as a process: what a plain loop over the same lines comes to, in bounded memory."""

import gzip
import json
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill
from tests.acceptance.reference import Reference
from tests.acceptance.samples import (
    HOUR_MS,
    START_MS,
    Event,
    add_an_event_that_transforms_make_unfit,
    answer,
    epoch_ms,
    ndjson,
    read_lines,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OUTPUTS: Final = ("--out", "out.ndjson", "--aggregates", "aggregates.ndjson", "--summary", "summary.json")
MALFORMED: Final = (b'{"kind": "answer"', b"[1, 2]", b"\xff\xfe not UTF-8", b'{"kind":"answer", "id":"x"}  ')

STREAM_EVENTS: Final = 200_000
STREAM_CHUNKS: Final = 80
MAX_RSS_BYTES: Final = 256 << 20
MAX_GROWTH_BYTES: Final = 64 << 20
"""The page cache of SQLite, which may fill. Were the events between kept, as objects, they would need more than that."""


def some_lines(count: int) -> list[bytes]:
    """Lines of every kind: new events in the order of their time, copies, malformed ones; at the end some that come late.

    What comes late, and a copy, is a thousand lines and more behind what it is compared with, so that they share no batch: within
    one, events are put in order first, and a copy of a blocked event shares its end without meeting the filters.
    """
    events = [some_event(number, START_MS + number * HOUR_MS // count) for number in range(count)]
    late = [answer(f"late-{number}", user=f"u{number}", at=START_MS - 1) for number in range(20)]
    lines = ndjson(events).splitlines()
    lines += random.sample(lines[: count // 2], count // 5)
    for line in MALFORMED:
        lines.insert(random.randrange(count), line)
    return lines + ndjson(late).splitlines()


def some_event(number: int, at_ms: int) -> Event:
    event = answer(f"e{number}", user=f"u{number % 25}", at=at_ms, points=number % 9, agent=random.choice(["a robot", "x", "y"]))
    if number % 10:
        event["took_ms"] = random.randrange(2000)
    if number % 97 == 0:
        event["points"] = -1
    return event


def process(project: Path, lines: list[bytes], *arguments: str) -> dict[str, Any]:
    """Run over a file with all outputs; returns the summary."""
    (project / "in.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    ended = rulemill("process", "in.ndjson", *OUTPUTS, *arguments, cwd=project)
    assert ended.returncode == 0, ended.stderr.decode()
    return summary_of(project)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_file_is_read_whatever_it_is_packed_in_and_a_byte_order_mark_is_no_event(
    project: Path, pack: Callable[[bytes], bytes]
) -> None:
    lines = ndjson([answer(f"a{number}", at=START_MS) for number in range(1_200)])
    (project / "in.ndjson").write_bytes(pack(b"\xef\xbb\xbf" + lines))

    ended = rulemill("process", "in.ndjson", *OUTPUTS, cwd=project)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert summary_of(project)["accepted"] == len(records(project / "out.ndjson")) == 1_200


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_file_that_is_cut_off_ends_with_its_last_line_told_and_all_before_it_gone_out(
    project: Path, pack: Callable[[bytes], bytes]
) -> None:
    events = [{**answer(f"a{number}", at=START_MS), "noise": random.randbytes(40).hex()} for number in range(3_000)]
    whole = pack(ndjson(events))
    (project / "in.ndjson").write_bytes(whole[: len(whole) // 2])

    ended = rulemill("process", "in.ndjson", *OUTPUTS, cwd=project)

    told = re.fullmatch(rb"rulemill: `in.ndjson` is damaged or cut off after line ([0-9]+): .+\n", ended.stderr)
    assert ended.returncode == 2
    assert told, ended.stderr.decode()
    assert 0 < len(records(project / "out.ndjson")) == int(told[1]) < 3_000


def test_sums_beyond_64_bits_and_the_last_day_there_is_come_out(project: Path) -> None:
    most, last_ms = (1 << 64) - 1, 253_402_300_799_999
    rules = project / "rules" / "rules.yaml"
    rules.write_text(rules.read_text().replace("  key: user\n", "  key: user\n  max_skew: {future: none}\n", 1))

    process(project, ndjson([answer(f"a{number}", at=last_ms, points=most) for number in range(2)]).splitlines())

    rows = {row["aggregator"]: row for row in read_lines(project / "aggregates.ndjson")}
    assert rows["by_user"]["values"]["points"] == 2 * most
    assert rows["by_user"]["end"] == "9999-12-31T23:59:59.999Z"


def summary_of(project: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((project / "summary.json").read_bytes())
    return summary


def records(path: Path) -> list[Event]:
    """The records by id, without what says when and by which rules they were made."""
    lines = read_lines(path)
    for line in lines:
        assert line["processing"].pop("received_at")
        assert line["processing"].pop("ruleset")
    return sorted(lines, key=lambda line: str(line["id"]))


def groups(path: Path) -> dict[tuple[str, int], Any]:
    lines = read_lines(path)
    assert all(epoch_ms(line["end"]) - epoch_ms(line["start"]) == 300_000 for line in lines)
    assert {line["aggregator"] for line in lines} == {"by_user"}
    found = {(line["key"], epoch_ms(line["start"])): line["values"] for line in lines}
    assert len(found) == len(lines), "a group and window has two lines"
    return found


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_it_comes_to_what_a_plain_loop_comes_to(project: Path, store: str) -> None:
    lines = some_lines(3_000)
    expected = Reference().run(lines)

    summary = process(project, lines, "--store", store)

    seconds, events_per_second = summary.pop("seconds"), summary.pop("events_per_second")
    assert seconds > 0
    assert events_per_second > 0
    assert summary.pop("ruleset")
    assert summary.pop("retry", 0) == 0
    assert summary.pop("claims_forgotten", 0) == 0
    assert summary == {
        **expected.counts,
        "filters": {
            "robots": {"matched": expected.robots, "unknown": 0, "errors": 0},
            "quick": {"matched": expected.quick, "unknown": expected.without_time_taken, "errors": 0},
        },
        "routes": {},
        "aggregations": {"by_user": {"groups": len(expected.groups), "events": expected.counts["accepted"]}},
        "dead_letter": expected.counts["rejected"],
    }
    assert records(project / "out.ndjson") == sorted(expected.records.values(), key=lambda record: str(record["id"]))
    assert groups(project / "aggregates.ndjson") == expected.groups


def test_a_malformed_line_is_a_dead_letter_with_its_own_bytes(project: Path) -> None:
    process(project, [*MALFORMED, *ndjson([answer("a1")]).splitlines()])

    letters = read_lines(project / "out.dead-letters.ndjson")
    assert tuple(bytes.fromhex(x["raw_hex"]) if "raw_hex" in x else x["raw"].encode() for x in letters) == MALFORMED
    assert all(letter["reason"] and letter["code"] and letter["stage"] == "decode" for letter in letters)
    assert [record["id"] for record in read_lines(project / "out.ndjson")] == ["a1"]


def test_a_second_run_repeats_the_first(project: Path) -> None:
    lines = some_lines(200)
    first = process(project, lines)
    (project / "out.ndjson").rename(project / "first.ndjson")
    aggregates = (project / "aggregates.ndjson").read_bytes()

    second = process(project, lines)

    timing = ("seconds", "events_per_second")
    assert {k: v for k, v in first.items() if k not in timing} == {k: v for k, v in second.items() if k not in timing}
    assert records(project / "out.ndjson") == records(project / "first.ndjson")
    assert (project / "aggregates.ndjson").read_bytes() == aggregates


def test_with_its_state_kept_a_second_run_finds_only_copies(project: Path) -> None:
    lines = ndjson([answer(f"e{number}", user=f"u{number % 7}") for number in range(300)]).splitlines()
    process(project, lines, "--state", "kept.db")
    before = groups(project / "aggregates.ndjson")
    (project / "out.ndjson").unlink()

    summary = process(project, lines, "--state", "kept.db")

    assert (summary["accepted"], summary["duplicate"]) == (0, 300)
    assert read_lines(project / "out.ndjson") == []
    assert groups(project / "aggregates.ndjson") == before


def test_standard_input_is_read_where_the_file_is_a_dash(project: Path) -> None:
    ended = rulemill("process", "-", *OUTPUTS, cwd=project, stdin=ndjson([answer("a1"), answer("a2"), answer("a1")]))

    assert ended.returncode == 0, ended.stderr.decode()
    summary = summary_of(project)
    assert (summary["received"], summary["accepted"], summary["duplicate"]) == (3, 2, 1)


def test_an_empty_input_comes_to_nothing(project: Path) -> None:
    summary = process(project, [])

    assert summary["received"] == 0
    assert summary["aggregations"] == {"by_user": {"groups": 0, "events": 0}}
    assert (project / "aggregates.ndjson").read_bytes() == b""


def test_without_outputs_the_summary_goes_to_standard_output(project: Path) -> None:
    ended = rulemill("process", "-", cwd=project, stdin=ndjson([answer("a1")]))

    assert json.loads(ended.stdout)["accepted"] == 1


def test_an_input_that_is_not_there_exits_with_2_and_one_line(project: Path) -> None:
    ended = rulemill("process", "missing.ndjson", cwd=project)

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: ")
    assert "missing.ndjson" in line


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_does_not_grow_with_the_input(project: Path) -> None:
    """The pipe holds little, so what was written was nearly all read: a sample stands for its place in the stream."""
    arguments = ["process", "-", "--store", "sqlite", "--summary", "summary.json"]
    samples = []
    with subprocess.Popen([*COMMAND, *arguments], cwd=project, env=environment(), stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        for chunk in range(STREAM_CHUNKS):
            numbers = range(chunk * STREAM_EVENTS // STREAM_CHUNKS, (chunk + 1) * STREAM_EVENTS // STREAM_CHUNKS)
            running.stdin.write(ndjson([answer(f"e{number}", user=f"u{number % 1000}") for number in numbers]))
            running.stdin.flush()
            samples.append(resident_bytes(running.pid))
        running.stdin.close()
        assert running.wait(TIMEOUT_S) == 0

    assert summary_of(project)["accepted"] == STREAM_EVENTS
    assert max(samples) < MAX_RSS_BYTES
    quarter = STREAM_CHUNKS // 4
    growth = statistics.median(samples[-quarter:]) - statistics.median(samples[:quarter])
    assert growth < MAX_GROWTH_BYTES, [sample >> 20 for sample in samples]


def test_events_that_wait_for_earlier_ones_wait_by_their_own_time_and_not_by_the_clock(project: Path) -> None:
    rules = project / "rules" / "rules.yaml"
    rules.write_text(rules.read_text("utf-8").replace("  key: user\n", "  key: user\n  ordering: {wait: 10m}\n", 1), "utf-8")
    seconds = [
        0,
        *(n + 1 if n % 2 else n - 1 for n in range(1, 999)),
        999,
    ]  # pairs the wrong way round, also 500 and 499: two batches

    summary = process(project, ndjson([answer(f"e{n}", user="u", at=START_MS + n * 1_000) for n in seconds]).splitlines())

    assert (summary["accepted"], summary["late"]) == (1_000, 0)
    assert [record["id"] for record in read_lines(project / "out.ndjson")] == [f"e{n}" for n in range(1_000)]


def test_an_event_that_cannot_go_out_is_one_dead_letter_of_the_stage_that_it_came_to(project: Path) -> None:
    rules = project / "rules" / "rules.yaml"
    rules.write_text(rules.read_text("utf-8").replace("ttl: 24h}", "ttl: 24h, on_conflict: reject}"))
    unfit = add_an_event_that_transforms_make_unfit(rules)
    summary = process(project, ndjson([answer("good"), unfit, answer("good", points=7)]).splitlines())

    letters = read_lines(project / "out.dead-letters.ndjson")
    assert [(letter["id"], letter["stage"], letter["code"]) for letter in letters] == [
        ("unfit", "publish", "unencodable"),
        ("good", "claim", "conflict"),
    ]
    assert (summary["rejected"], summary["dead_letter"]) == (2, 2)
