"""What a command writes, and who reads it."""

import shutil
import subprocess
from pathlib import Path

import httpx

from tests.acceptance.processes import COMMAND, Service, environment
from tests.acceptance.samples import answer, read_lines


def test_a_reader_that_has_seen_enough_is_no_fault(project: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "schema"], cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        complaint = command.stderr.read()

    assert (command.returncode, complaint) == (141, b"")


def test_two_services_with_one_directory_of_records_lose_nothing_of_each_other(project: Path) -> None:
    robot = answer("robot", agent="a robot")
    with Service(project) as one, Service(project, SQLITE_PATH=str(project / "other.db")) as other:
        for number in range(10):
            for name, service in (("one", one), ("other", other)):
                events = [answer(f"{name}-{number}-{place}", user="u" * (number + 1)) for place in range(5)]
                assert httpx.post(f"{service.url}/events", json=[*events, robot]).json()["accepted"] == 5

        assert one.terminate() == other.terminate() == 0

    records = [line["id"] for line in read_lines(project / "out" / "events.enriched.ndjson")]
    sent = {f"{name}-{number}-{place}" for name in ("one", "other") for number in range(10) for place in range(5)}
    assert len(records) == len(sent)
    assert set(records) == sent


def test_records_accepted_after_their_files_were_removed_are_in_new_ones(service: Service, project: Path) -> None:
    def send(identity: str) -> None:
        assert httpx.post(f"{service.url}/events", json=answer(identity)).json()["accepted"] == 1

    send("before")
    shutil.rmtree(project / "out")

    send("after")

    assert [line["id"] for line in read_lines(project / "out" / "events.enriched.ndjson")] == ["after"]
    assert service.terminate() == 0
    assert "events.enriched.ndjson` was removed; what comes from now on is in a new file" in service.log
