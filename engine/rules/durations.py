"""Durations as they are written: `500ms`, `30s`, `5m`, `1h`, `7d`.

In: text, or milliseconds. Out: the other. Rule of the file: what is written otherwise is no duration, but there is a guess at what was meant.
"""

import re
from typing import Final

DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,11})(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration(text: str) -> int | None:
    """A duration as it is written (`500ms`, `1h`) in ms; None for anything else."""
    match = DURATION.fullmatch(text)
    return None if match is None else int(match[1]) * _UNIT_MS[match[2]]


def duration_fix(text: str) -> tuple[str, bool]:
    """What another way to write a duration is here, and whether that is sure: how long is a month?"""
    if iso := re.fullmatch(r"P(?:T([0-9]{1,6})([HMS])|([0-9]{1,6})([DW]))", text, re.IGNORECASE):
        text = f"{iso[1] or iso[3]}{iso[2] or iso[4]}"
    worded = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)", text)
    if worded is None or (float(worded[1]) and not worded[2]):
        return "", False
    number, unit = float(worded[1]), worded[2].lower()
    if not number:
        return "0ms", True
    days = 365 if unit.startswith("y") else 30 if unit.startswith("mo") else 7 if unit.startswith("w") else 0
    if days:
        return as_duration(round(number * days * _UNIT_MS["d"]), "d"), days == 7
    starts = {"mi": "m", "ms": "ms", "milli": "ms", "s": "s", "h": "h", "d": "d", "m": "m"}
    short = next((short for start, short in starts.items() if unit.startswith(start)), None)
    return (as_duration(round(number * _UNIT_MS[short]), short), True) if short else ("", False)


def as_duration(duration_ms: int, largest: str = "d") -> str:
    """A duration in the largest unit that holds it without a rest, and is not above `largest`."""
    units = list(reversed(_UNIT_MS))
    for unit in units[units.index(largest) :]:
        if duration_ms and duration_ms % _UNIT_MS[unit] == 0:
            return f"{duration_ms // _UNIT_MS[unit]}{unit}"
    return f"{duration_ms}ms"
