"""What processes of tests that run beside each other do not take from each other."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.servers.ports import free_ports
from tools.servers.turns import claim, turn

WAIT_S: Final = 30


def process(checkout: Path, code: str) -> "subprocess.Popen[str]":
    imports = "import sys\nfrom tools.servers.ports import free_ports\nfrom tools.servers.turns import claim, turn\n"
    command = [sys.executable, "-u", "-c", imports + code]
    return subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def test_a_port_is_nobody_elses_until_the_process_that_it_was_given_to_ends(checkout: Path) -> None:
    with process(checkout, "print(*free_ports(1))\nsys.stdin.read()") as owner:
        port = int(line(owner))
        assert not claim(f"port-{port}")
        owner.communicate(timeout=WAIT_S)

    assert claim(f"port-{port}")
    assert not claim(f"port-{port}")


def test_a_second_port_stands_as_far_apart_as_is_asked_and_is_nobody_elses_either() -> None:
    [port] = free_ports(1, apart=10_000)

    assert not claim(f"port-{port}")
    assert not claim(f"port-{port + 10_000}")


def test_a_turn_waits_until_whoever_has_it_is_done(checkout: Path, tmp_path: Path) -> None:
    [name], done = free_ports(1), tmp_path / "done"
    with turn(f"turn-{name}"):
        other = process(checkout, f"print('asks')\nwith turn('turn-{name}'):\n    print(open({str(done)!r}).read())")
        assert line(other) == "asks"
        done.write_text("this is done")
    with other:
        assert line(other) == "this is done"
        other.communicate(timeout=WAIT_S)
