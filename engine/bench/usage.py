"""Processor time and memory of processes, with all that they have started.

In: process ids by name. Out: seconds and bytes. Rule of the file: a process that is gone counts as nothing.
"""

from collections.abc import Callable, Mapping

import psutil

_MIB = 1 << 20


def processor_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor time used so far, in seconds, in steps of the system's clock: usually 10 ms."""
    return {name: _sum(pid, lambda process: sum(process.cpu_times()[:2])) for name, pid in pids.items()}


def resident_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Memory in use now; what processes share counts for each of them."""
    return {name: _sum(pid, lambda process: process.memory_info().rss / _MIB) for name, pid in pids.items()}


def machine() -> dict[str, object]:
    """What figures of this machine have to be read with."""
    one_minute = psutil.getloadavg()[0]
    return {
        "cores": psutil.cpu_count(),
        "memory_mib": round(psutil.virtual_memory().total / _MIB),
        "load_before": round(one_minute, 2),
    }


def _sum(pid: int, of: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            total += of(process)
        except psutil.NoSuchProcess:
            continue
    return total
