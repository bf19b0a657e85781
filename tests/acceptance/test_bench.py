"""`rulemill bench`, for a moment."""

import json
import subprocess
from pathlib import Path

import psutil

from tests.acceptance.crews import wait_until
from tests.acceptance.processes import COMMAND, TIMEOUT_S, environment, rulemill


def test_a_bench_measures_the_service_over_http_with_reloads_and_by_stage(tmp_path: Path, checkout: Path) -> None:
    short = ("--batch", "10", "--rate", "500", "--seconds", "0.2", "--runs", "1", "--stages", "200", "--filters", "3", "--reload")
    ended = rulemill("bench", *short, "--rules", checkout / "rules", "--json", "found.json", cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr.decode()
    found = json.loads((tmp_path / "found.json").read_text())
    steady, reloads = found["cells"]
    assert steady["events"] == reloads["events"] == 100
    assert steady["accepted"] >= 80
    assert 0 < steady["p50_ms"] <= steady["p95_ms"] <= steady["p99_ms"] <= steady["max_ms"]
    assert steady["max_events_per_second"] > 0
    assert steady["engine_us"] > 0
    assert steady["engine_load_mib"] > 0
    assert reloads["reloads"] >= 1
    assert set(found["stages"]) == {"0", "3"}
    assert found["stages"]["3"]["filter"] > 0
    assert "p99 ms" in ended.stdout.decode()


def test_a_service_that_does_not_start_is_told_with_what_it_said(tmp_path: Path, checkout: Path) -> None:
    ended = rulemill(
        "bench", "--stages", "0", "--store", "redis", "--rules", checkout / "rules", cwd=tmp_path, REDIS_ADDRESS="127.0.0.1:1"
    )

    assert ended.returncode == 2
    assert "does not start" in ended.stderr.decode()
    assert "127.0.0.1:1" in ended.stderr.decode()


def test_a_bench_that_is_told_to_end_leaves_no_service_behind(tmp_path: Path, checkout: Path) -> None:
    command = [*COMMAND, "bench", "--stages", "0", "--batch", "10", "--rules", str(checkout / "rules")]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        bench = psutil.Process(running.pid)
        wait_until(lambda: any("serve" in child.cmdline() for child in bench.children()), "a service to be started")
        started = bench.children(recursive=True)

        running.terminate()
        said = running.communicate(timeout=TIMEOUT_S)

    assert running.returncode == 143, said
    assert not [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
