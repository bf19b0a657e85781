"""The plots of the performance page.

usage: draw.py DIRECTORY

In: `service-*.json` and `stages.json` as `rulemill bench --json` wrote them, `growth.json` as `tools/bench growth --json` did. Out: SVG files
beside them. Rule of the file: a plot shows figures that were measured, joined where that helps the eye, and nothing between them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

_SIZE_INCHES = (7.0, 3.6)

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "rulemill",  # the same figures give the same file
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "legend.frameon": False,
    }
)


def service(directory: Path) -> None:
    """Events a second at most, by events in a request."""
    figure, axes = plt.subplots(figsize=_SIZE_INCHES, layout="constrained")
    for path in sorted(directory.glob("service-*.json")):
        by_what: dict[str, list[tuple[int, float]]] = {}
        for cell in _read(path)["cells"]:
            if "max_events_per_second" in cell:
                by_what.setdefault(cell["what"], []).append((cell["batch"], cell["max_events_per_second"]))
        for what, points in by_what.items():
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=what)
    _axes(axes, "events in a request", "events a second at most")
    _logarithmic(axes.xaxis, axes.yaxis)
    _save(figure, directory / "service.svg")


def stages(directory: Path) -> None:
    """Processor time by stage, for each number of filters."""
    figure, axes = plt.subplots(figsize=_SIZE_INCHES, layout="constrained")
    by_filters = _read(directory / "stages.json")["stages"]
    names = [f"+{number}" if number != "0" else "the rules" for number in by_filters]
    below = [0.0] * len(names)
    for number, stage in enumerate(next(iter(by_filters.values()))):
        shares = [figures[stage] for figures in by_filters.values()]
        axes.barh(names, shares, left=below, label=stage, color=plt.get_cmap("tab10")(number % 10))
        below = [start + share for start, share in zip(below, shares, strict=True)]
    _axes(axes, "µs of processor time an event", "filters")
    axes.invert_yaxis()
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, directory / "stages.svg")


def growth(directory: Path) -> None:
    """Cost and memory by how many keys there are."""
    figure, (cost, memory) = plt.subplots(1, 2, figsize=_SIZE_INCHES, layout="constrained")
    rows = _read(directory / "growth.json")["growth"]
    for store in dict.fromkeys(row["store"] for row in rows):
        own = [row for row in rows if row["store"] == store]
        for axes, name in ((cost, "us"), (memory, "mib")):
            axes.plot([row["keys"] for row in own], [row[name] for row in own], marker="o", label=store)
    for axes, title in ((cost, "µs of processor time an event"), (memory, "MiB")):
        _axes(axes, "keys, and groups", title)
        _logarithmic(axes.xaxis)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    cost.set_ylim(bottom=0)
    _logarithmic(memory.yaxis)
    _save(figure, directory / "growth.svg")


def _axes(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend()


def _logarithmic(*sides: Axis) -> None:
    """Whole numbers where there are labels: at 1, 2 and 5 of each power of ten that is shown."""
    for side in sides:
        side.axes.set(**{f"{side.axis_name}scale": "log"})
        side.set_major_locator(LogLocator(subs=(1, 2, 5) if side.axis_name == "y" else (1,)))
        side.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        side.set_minor_formatter(NullFormatter())


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    print(path)


if __name__ == "__main__":
    for draw in (service, stages, growth):
        draw(Path(sys.argv[1]))
