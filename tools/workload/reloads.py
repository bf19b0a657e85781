"""What changing the rules costs those who send events: throughput with a reload every so often, against none.

usage: reloads.py [--rounds 10] [--reloads 10] [--every 0.5] [--clients 8] [--batch 50]

One service, as many events as it takes. Rounds without and with reloads take turns, so that what else the machine does meets both, and each round
is compared with the one before it; a third of the rulesets is broken. Prints the rounds and the medians, by the clock and by the service's own
processor time; exits with 1 where reloads cost more than a fifth by the clock.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp

from tools.workload.load import Books, Load
from tools.workload.running_service import RunningService, running_service

MAX_COST = 0.2
WARM_UP_S = 5.0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="throughput with reloads of the rules, against none")
    parser.add_argument("--rounds", type=int, default=10, help="of each kind; default: %(default)s")
    parser.add_argument("--reloads", type=int, default=10, help="in a round; default: %(default)s")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two reloads; default: %(default)s")
    parser.add_argument("--clients", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=50, help="events in a request; default: %(default)s")
    return parser.parse_args()


async def reload_once(service: RunningService, http: aiohttp.ClientSession, number: int) -> float:
    """Put the next ruleset in, and return how many seconds that took; ends the program where it did not go as it should."""
    sound = service.write_rules(number)
    started_s = time.monotonic()
    async with http.post(f"{service.url}/rules/reload") as response:
        if response.status != (200 if sound else 422):
            sys.exit(f"ruleset {number} was answered {response.status}: {await response.text()}")
    return time.monotonic() - started_s


class Pace(NamedTuple):
    """Events answered a second, and a second of the service's processor time."""

    by_clock: float
    by_processor: float


async def processor_s(http: aiohttp.ClientSession, url: str) -> float:
    """The processor time that the service has used."""
    async with http.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total "))


async def one_round(
    http: aiohttp.ClientSession, url: str, books: Books, asked: argparse.Namespace, reloader: "Reloader | None"
) -> Pace:
    """The pace over the time that the reloads of a round take."""
    used_s = await processor_s(http, url)
    started_s, before = time.monotonic(), sum(books.outcomes.values())
    for turn in range(1, asked.reloads + 1):
        if reloader is not None:
            await reloader.next()
        await asyncio.sleep(max(0.0, started_s + turn * asked.every - time.monotonic()))
    answered, took_s = sum(books.outcomes.values()) - before, time.monotonic() - started_s
    return Pace(answered / took_s, answered / (await processor_s(http, url) - used_s))


class Reloader:
    """Puts one ruleset in after the other."""

    def __init__(self, service: RunningService, http: aiohttp.ClientSession) -> None:
        self.durations_s: list[float] = []
        self._service = service
        self._http = http

    async def next(self) -> None:
        """Put in the next one."""
        self.durations_s.append(await reload_once(self._service, self._http, len(self.durations_s) + 1))


async def measure(asked: argparse.Namespace, directory: Path) -> float:
    """Run, print, and return what reloads cost, as a share of the throughput without them."""
    books = Books()
    async with running_service(directory) as service, aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        load, reloader = Load(service.url, books, clients=asked.clients, batch=asked.batch, rate=0), Reloader(service, http)
        sending = tasks.create_task(load.run())
        await asyncio.sleep(WARM_UP_S)
        rounds: list[tuple[Pace, Pace]] = []
        for _ in range(asked.rounds):
            without = await one_round(http, service.url, books, asked, None)
            rounds.append((without, await one_round(http, service.url, books, asked, reloader)))
            print(f"without {without.by_clock:7.0f} events/s   with {rounds[-1][1].by_clock:7.0f} events/s", flush=True)
        load.stopping.set()
        await sending
    cost = 1 - median(changing.by_clock / steady.by_clock for steady, changing in rounds)
    of_processor = 1 - median(changing.by_processor / steady.by_processor for steady, changing in rounds)
    took_ms = [1000 * one_s for one_s in reloader.durations_s]
    print(
        f"{len(took_ms)} reloads, one every {asked.every:g} s, cost {cost:.1%} by the clock, {of_processor:.1%} by processor time"
    )
    print(f"a reload took {median(took_ms):.0f} ms in the median, {max(took_ms):.0f} ms at most")
    return cost


def main() -> int:
    """Measure; 1 where reloads cost too much."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="rulemill-reloads-") as directory:
        cost = asyncio.run(measure(asked, Path(directory)))
    return 1 if cost > MAX_COST else 0


if __name__ == "__main__":
    sys.exit(main())
