"""The hour of the day at an instant, in a time zone.

In: epoch milliseconds and the name of a zone. Out: 0 to 23, or None where there is no such zone. Rule of the file:
names may come from events, so an unknown one never reaches the file system.
"""

import zoneinfo
from datetime import datetime
from functools import cache, lru_cache
from typing import Final

_HOUR_MS: Final = 3_600_000
PARTS_OF_DAY: Final = ("night", "morning", "afternoon", "evening")
"""Six hours each, from midnight."""


def utc_hour(time_ms: int) -> int:
    """The hour in UTC."""
    return time_ms // _HOUR_MS % 24


def local_hour(time_ms: int, zone_name: object) -> int | None:
    """The hour in the zone of this IANA name (`Europe/Berlin`); None where it is not the name of one."""
    if zone_name == "UTC":
        return utc_hour(time_ms)
    zone = _zone(zone_name) if type(zone_name) is str else None
    if zone is None:
        return None
    try:
        return datetime.fromtimestamp(time_ms // 1000, zone).hour
    except (OverflowError, ValueError):  # within a day of the years 1 and 9999
        return None


@lru_cache(maxsize=1_024)
def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of a name, which may come from an event; `zoneinfo` itself keeps no more than the last eight."""
    return zoneinfo.ZoneInfo(name) if name in _zone_names() else None


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
