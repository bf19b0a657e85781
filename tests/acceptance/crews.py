"""A service with several workers, as those who test it see it."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx

from tests.acceptance.processes import TIMEOUT_S, Service

SEVERAL: Final = {"EVENT_PROCESSOR_WORKERS": "2"}
_LOOK_S: Final = 0.05


def status(service: Service) -> dict[str, Any]:
    shown: dict[str, Any] = httpx.get(f"{service.url}/processor/status", timeout=TIMEOUT_S).json()
    return shown


def pids(service: Service) -> dict[str, int]:
    """The process of each worker."""
    return {number: worker["pid"] for number, worker in status(service)["workers"]["each"].items()}


def lives(pid: int) -> bool:
    """Whether the process still does anything: one that nobody has taken note of yet does not."""
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    give_up_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < give_up_s, f"waited in vain for {what}"
        time.sleep(_LOOK_S)


def complete(service: Service, deaths: int) -> bool:
    """Whether so many workers have died, and each has been replaced."""
    try:
        workers = status(service)["workers"]
    except httpx.TransportError:  # it was on its way to a worker that has died
        return False
    return bool(workers["deaths"] == deaths and workers["running"] == workers["wanted"])


@contextmanager
def connections(service: Service, count: int) -> Iterator[list[httpx.Client]]:
    """So many clients, each with a connection of its own that is kept open; the workers have as many of them, give or take one."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=service.url, timeout=TIMEOUT_S)) for _ in range(count)]
        for client in clients:
            assert client.get("/healthz").status_code == 200
        yield clients
