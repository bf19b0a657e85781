"""A service under load for a long time, its rules changed all the while: does it lose anything, and does its memory stay?

usage: soak.py [--minutes 10] [--rate 1000] [--clients 8] [--batch 50] [--reload-every 2] [--out REPORT.json]

Every third ruleset is broken. Prints a line every 15 seconds and a summary; exits with 1 where an event was lost, came out or was counted
twice, or memory grew by more than a tenth between the third quarter of the run and the last. By then what fills up has done so: the keys that are
remembered, the sketches of the windows, and the cache of the store, which is small here.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import fmean, quantiles

import aiohttp

from tools.workload.load import Books, Load
from tools.workload.running_service import RunningService, running_service

SAMPLE_EVERY_S = 15.0
MAX_GROWTH = 0.1


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="the service under load for a long time, its rules changed all the while")
    parser.add_argument("--minutes", type=float, default=10.0, help="default: %(default)s")
    parser.add_argument(
        "--rate", type=float, default=1_000.0, help="events a second; 0 for all that are answered; default: %(default)s"
    )
    parser.add_argument("--clients", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=50, help="events in a request; default: %(default)s")
    parser.add_argument("--reload-every", type=float, default=2.0, help="seconds between two rulesets; default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="REPORT.json", help="where the samples and the summary go as well")
    return parser.parse_args()


async def reload_on(service: RunningService, every_s: float, reloads: Counter[str]) -> None:
    """Change the rules until cancelled, and count what became of it."""
    number = 0
    async with aiohttp.ClientSession() as http:
        while True:
            await asyncio.sleep(every_s)
            number += 1
            sound = service.write_rules(number)
            async with http.post(f"{service.url}/rules/reload") as response:
                right = response.status == (200 if sound else 422)
            reloads[("swapped" if sound else "refused") if right else "wrong"] += 1


async def figures(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """The metrics without labels."""
    async with http.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    pairs = [line.split(" ") for line in lines if not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, value, *_ in pairs}


async def watch(service: RunningService, books: Books, reloads: Counter[str], until_s: float) -> list[dict[str, float]]:
    """Sample the service until then, and print each sample."""
    samples: list[dict[str, float]] = []
    started_s, before = time.monotonic(), 0
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < until_s:
            await asyncio.sleep(min(SAMPLE_EVERY_S, max(0.0, until_s - time.monotonic())))
            found = await figures(http, service.url)
            answered, latencies = sum(books.outcomes.values()), sorted(books.latencies_s)
            books.latencies_s.clear()
            sample = {
                "seconds": round(time.monotonic() - started_s, 1),
                "rss_mib": round(found["process_resident_memory_bytes"] / (1 << 20), 1),
                "open_files": found["process_open_fds"],
                "events_per_second": round((answered - before) / SAMPLE_EVERY_S),
                "p95_ms": round(1000 * quantiles(latencies, n=20)[-1], 1) if len(latencies) > 1 else 0.0,
                "in_flight": found["rulemill_events_in_flight"],
            }
            before = answered
            samples.append(sample)
            print(" ".join(f"{name}={value:g}" for name, value in sample.items()), dict(reloads), flush=True)
    return samples


async def counted(service: RunningService) -> int:
    """How many attempts the windows of the whole system have."""
    query = {"aggregator": "system_5m", "key": "", "limit": "1000"}
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/processor/aggregation", params=query) as response:
        windows = (await response.json())["windows"]
    return sum(window["values"]["attempts"] for window in windows)


def growth(samples: list[dict[str, float]]) -> float:
    """How much more memory the last quarter needed than the third, as a share."""
    quarter = max(1, len(samples) // 4)
    rss = [sample["rss_mib"] for sample in samples]
    third, last = fmean(rss[-2 * quarter : -quarter] or rss), fmean(rss[-quarter:])
    return (last - third) / third


async def soak(asked: argparse.Namespace, directory: Path) -> dict[str, object]:
    """Run, and sum up."""
    books, reloads = Books(), Counter[str]()
    async with running_service(directory, SQLITE_CACHE="4MiB") as service, asyncio.TaskGroup() as tasks:
        load = Load(service.url, books, clients=asked.clients, batch=asked.batch, rate=asked.rate)
        sending = tasks.create_task(load.run())
        reloading = tasks.create_task(reload_on(service, asked.reload_every, reloads))
        samples = await watch(service, books, reloads, time.monotonic() + 60 * asked.minutes)
        reloading.cancel()
        load.stopping.set()
        await sending
        in_windows = await counted(service)
        code = await service.stop()
    found = books.compare(service.records)
    return {
        "events": len(books.answers),
        "outcomes": dict(books.outcomes),
        "reloads": dict(reloads),
        "open": books.open,
        "lost": found.lost,
        "out_twice": found.twice,
        "accepted_twice": books.accepted_twice,
        "blocked_and_out": found.blocked_and_out,
        "unknown": found.unknown,
        "counted_wrongly": in_windows - books.accepted,
        "exit_code": code,
        "rss_growth": round(growth(samples), 4),
        "samples": samples,
    }


def main() -> int:
    """Run and report; 1 where something is wrong."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="rulemill-soak-") as directory:
        report = asyncio.run(soak(asked, Path(directory)))
    if asked.out is not None:
        asked.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, value in report.items():
        if name != "samples":
            print(f"{name:16} {value}")
    faults = ("open", "lost", "out_twice", "accepted_twice", "blocked_and_out", "unknown", "counted_wrongly", "exit_code")
    wrong = [name for name in faults if report[name]]
    return 1 if wrong or report["rss_growth"] > MAX_GROWTH else 0  # type: ignore[operator] # it is a number


if __name__ == "__main__":
    sys.exit(main())
