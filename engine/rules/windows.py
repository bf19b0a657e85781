"""Windows over event time: panes, and the windows that they make up.

A tumbling window is one pane; a hopping one is as many panes as its step goes into its size. All times are epoch
milliseconds; a window is [start, end).
"""

from collections.abc import Iterable


def pane_start(time_ms: int, every_ms: int) -> int:
    """The start of the pane that holds this time, before the epoch as well."""
    return time_ms - time_ms % every_ms


def window_starts(panes: Iterable[int], size_ms: int, every_ms: int) -> list[int]:
    """The starts, in order, of all windows that hold at least one of these panes."""
    return sorted({start for pane in panes for start in range(pane - size_ms + every_ms, pane + every_ms, every_ms)})


def panes_of(start_ms: int, size_ms: int, every_ms: int) -> range:
    """The starts of the panes that make up the window."""
    return range(start_ms, start_ms + size_ms, every_ms)
