"""The hour of the day at an instant, in a time zone.

In: epoch milliseconds and the name of a zone. Out: 0 to 23, or None where there is no such zone. Rule of the file:
names may come from events, so an unknown one never reaches the file system.
"""

import zoneinfo
from datetime import datetime
from functools import cache, lru_cache
from typing import Final

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_WHOLE_MINUTES_FROM_MS: Final = 94_694_400_000
"""1973: from then on every zone is whole minutes from UTC, and changes at a whole minute, so that an hour begins nowhere but there."""
PARTS_OF_DAY: Final = ("night", "morning", "afternoon", "evening")
"""Six hours each, from midnight."""


def utc_hour(time_ms: int) -> int:
    """The hour in UTC."""
    return time_ms // _HOUR_MS % 24


def local_hour(time_ms: int, zone_name: object) -> int | None:
    """The hour in the zone of this IANA name (`Europe/Berlin`); None where it is not the name of one."""
    if zone_name == "UTC":
        return utc_hour(time_ms)
    if type(zone_name) is not str:
        return None
    step_ms = _MINUTE_MS if time_ms >= _WHOLE_MINUTES_FROM_MS else 1_000
    return _hour_at(time_ms // step_ms * step_ms, zone_name)


@lru_cache(maxsize=4_096)
def _hour_at(time_ms: int, zone_name: str) -> int | None:
    """Events of one moment are many, and their zones are few."""
    zone = _zone(zone_name)
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
