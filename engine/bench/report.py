"""What a bench found, for people.

In: cells of figures. Out: a table in Markdown. Rule of the file: what was not measured is shown as `-`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

_COLUMNS: Final = {
    "what": "what",
    "batch": "events a request",
    "max_events_per_second": "events/s at most",
    "offered": "events/s offered",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "engine_us": "engine µs/event",
    "redis_us": "Redis µs/event",
    "kafka_us": "Kafka µs/event",
    "engine_idle_mib": "idle MiB",
    "engine_load_mib": "load MiB",
    "generator_busy": "generator busy",
}

Cell = Mapping[str, object]


def table(cells: Sequence[Cell]) -> str:
    """One line a cell."""
    shown = {name: title for name, title in _COLUMNS.items() if any(name in cell for cell in cells)}
    lines = [list(shown.values()), ["---"] * len(shown), *([_text(name, cell.get(name)) for name in shown] for cell in cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def stages_table(by_filters: Mapping[int, Mapping[str, float]]) -> str:
    """Microseconds an event: a line a stage, a column for each number of filters that were added."""
    stages = dict.fromkeys(stage for figures in by_filters.values() for stage in figures)
    rows = [(stage, [figures.get(stage, 0.0) for figures in by_filters.values()]) for stage in stages]
    rows.append(("all", [sum(figures.values()) for figures in by_filters.values()]))
    head = ["stage", *(f"+{number} filters" if number else "the rules" for number in by_filters)]
    lines = [head, ["---"] * len(head), *([stage, *(f"{value:.2f}" for value in values)] for stage, values in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    if name == "generator_busy":
        return f"{value:.0%}"
    return f"{value:,.0f}" if value >= 100 or isinstance(value, int) else f"{value:.1f}"
