"""`rulemill dlq` as a process: letters of a run are looked at, and sent again to a service that takes them now."""

import json
import subprocess
from pathlib import Path
from typing import Final

from tests.acceptance.processes import Service, rulemill
from tests.acceptance.samples import answer, ndjson, read_lines

LETTERS: Final = "out/dead-letters.ndjson"


def dlq(project: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return rulemill("dlq", *arguments, cwd=project)


def bury(project: Path) -> None:
    """A run that leaves three letters: one event of no JSON, and two with fewer points than the schema takes."""
    (project / "out").mkdir()
    lines = b"nope\n" + ndjson([answer("a1", points=-1), answer("a2"), answer("a3", points=-2)])
    ended = rulemill("process", "-", "--dead-letters", LETTERS, "--out", "run.ndjson", cwd=project, stdin=lines)
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(read_lines(project / LETTERS)) == 3


def take_fewer_points(project: Path) -> None:
    """Correct the schema that the letters did not fit."""
    path = project / "rules" / "answer.schema.json"
    schema = json.loads(path.read_text())
    del schema["properties"]["points"]["minimum"]
    path.write_text(json.dumps(schema))


def test_letters_are_listed_counted_and_shown(project: Path) -> None:
    bury(project)

    listed = dlq(project, "ls").stdout.decode().splitlines()
    newest = dlq(project, "ls", "--limit", "1").stdout.decode().splitlines()
    chosen = dlq(project, "ls", "--code", "schema", "--since", "1h").stdout.decode().splitlines()
    counted = dlq(project, "ls", "--by", "code").stdout.decode().splitlines()
    shown = dlq(project, "show", "a3").stdout.decode()
    raw = dlq(project, "show", "1", "--raw")

    assert [line.split()[2] for line in listed] == ["CODE", "invalid_json", "schema", "schema"]
    assert [newest[1].split()[0], newest[2]] == ["3", "… and 2 before them; `--limit 0` shows all"]
    assert [line.split()[0] for line in chosen[1:]] == ["2", "3"]
    assert [line.split()[:2] for line in counted[1:]] == [["2", "schema"], ["1", "invalid_json"]]
    assert "code     schema\n" in shown
    assert '    "points": -2' in shown
    assert raw.stdout == b"nope\n"


def test_a_letter_can_be_handed_to_explain(project: Path) -> None:
    bury(project)
    event = dlq(project, "show", "a1", "--raw").stdout

    ended = rulemill("explain", "--event", "-", cwd=project, stdin=event)

    assert b"rejected (schema): `points` is `-1`" in ended.stdout


def test_letters_are_replayed_once_and_only_what_was_taken_is_noted(project: Path) -> None:
    bury(project)
    before = (project / LETTERS).read_bytes()
    take_fewer_points(project)

    with Service(project) as service:
        first = dlq(project, "replay", "--to", service.url)
        left = dlq(project, "ls")
        second = dlq(project, "replay", "--to", f"{service.url}/events")
        again = dlq(project, "replay", "--all", "--code", "schema", "--to", service.url)

    assert first.returncode == 1
    assert first.stdout.decode().splitlines()[:3] == ["accepted: 2", "rejected: 1", "  rejected as invalid_json: 1"]
    assert [record["id"] for record in read_lines(project / "out" / "events.enriched.ndjson")] == ["a1", "a3"]
    assert [line.split()[2] for line in left.stdout.decode().splitlines()] == ["CODE", "invalid_json"]
    assert left.stderr == b"2 more were replayed; `--all` takes them as well\n"
    assert second.stdout.decode().startswith("rejected: 1\n")
    assert (again.returncode, again.stdout.decode().splitlines()[0]) == (0, "duplicate: 2")
    assert (project / LETTERS).read_bytes() == before, "letters are never changed"


def test_one_letter_is_replayed_by_its_id(project: Path) -> None:
    bury(project)
    take_fewer_points(project)

    with Service(project) as service:
        ended = dlq(project, "replay", "a3", "--to", service.url)

    assert (ended.returncode, ended.stdout.decode().splitlines()[0]) == (0, "accepted: 1")
    assert [line.split()[4:5] for line in dlq(project, "ls", "--code", "schema").stdout.decode().splitlines()[1:]] == [["a1"]]


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(project: Path) -> None:
    bury(project)

    ended = dlq(project, "replay", "--dry-run", "--code", "schema")

    assert ended.returncode == 0
    assert ended.stdout.decode().endswith("2 letters would be sent to http://127.0.0.1:8080/events\n")
    assert len(dlq(project, "ls").stdout.splitlines()) == 4


def test_without_a_service_nothing_is_noted_and_the_exit_code_is_2(project: Path) -> None:
    bury(project)

    ended = dlq(project, "replay", "--to", "http://127.0.0.1:1")

    assert ended.returncode == 2
    assert b"does not answer" in ended.stderr
    assert len(dlq(project, "ls").stdout.splitlines()) == 4


def test_malformed_lines_are_told_and_not_fatal(project: Path) -> None:
    bury(project)
    with (project / LETTERS).open("ab") as file:
        file.write(b"scribble\n")

    ended = dlq(project, "ls")

    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 4
    assert ended.stderr.decode().startswith(f"no letter: {LETTERS}:4: it is not JSON")


def test_what_is_not_there_exits_with_2_and_one_line(project: Path) -> None:
    ended = dlq(project, "show", "a9")

    assert ended.returncode == 2
    assert ended.stderr.decode() == "rulemill: there is no letter `a9`; `rulemill dlq ls --all` shows all\n"
