"""Instants: what counts as a time in events and in rules.

In: RFC 3339 text or whole epoch milliseconds, as JSON or YAML gave them. Out: whole epoch milliseconds, and back to text.
Rule of the file: an instant lies in the years 0001 to 9999 of UTC; whatever is not exactly one is None, never an error.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000

MIN_TIME_MS: Final = (date.min.toordinal() - _EPOCH_DAY) * _DAY_MS
"""The first instant of the year 0001."""
MAX_TIME_MS: Final = (date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_MS - 1
"""The last millisecond of the year 9999."""

_MINUTE_CHARS: Final = 16
_MINUTE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])")
_SECONDS: Final = re.compile(r":([0-5][0-9]|60)(?:\.([0-9]+))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")

# Text splits into a second (`2026-03-01T09:30:05`), which many events share, and the rest (`.123Z`), of which there are a
# thousand with milliseconds and one offset: few enough to stay in the processor's cache. Both are remembered up to these bounds,
# then forgotten, and so are minutes, of which seconds that are not remembered are made.
_MAX_MINUTES: Final = 10_000
_MAX_SECONDS: Final = 10_000
_MAX_RESTS: Final = 10_000
_REMEMBERED_FRACTION_DIGITS: Final = 3
_SECOND_CHARS: Final = 19
_SECOND_MS: Final = {f":{second:02}": second * 1000 for second in range(60)}
_known_seconds: dict[str, int] = {}
_known_minutes: dict[str, int] = {}
_known_rests: dict[str, int] = {}


def parse_time(value: object) -> int | None:
    """Epoch milliseconds of an RFC 3339 text or of an int that is epoch milliseconds already; None for anything else.

    Text needs a date that exists, seconds and an offset; `t`, `z` and a space for the `T` are taken, and digits beyond
    the millisecond are cut off. A leap second (23:59:60 UTC) is the last millisecond of its minute. Booleans and
    floats are not times.
    """
    if isinstance(value, str):
        second_ms, rest_ms = _known_seconds.get(value[:19]), _known_rests.get(value[19:])
        return second_ms + rest_ms if second_ms is not None and rest_ms is not None else _put_together(value)
    if type(value) is int and MIN_TIME_MS <= value <= MAX_TIME_MS:
        return value
    return None


def format_time(time_ms: int) -> str:
    """RFC 3339 text in UTC with milliseconds: `2026-03-01T09:30:05.123Z`.

    Raises OverflowError outside MIN_TIME_MS to MAX_TIME_MS.
    """
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")[:23] + "Z"


def format_nearest(time_ms: int) -> str:
    """As `format_time`; a time that cannot be written, as the end of a window may be, is shown as the nearest that can."""
    return format_time(max(MIN_TIME_MS, min(MAX_TIME_MS, time_ms)))


def _put_together(text: str) -> int | None:
    """A second that is not remembered, from its minute; what is known of neither is read."""
    minute_ms, rest_ms = _known_minutes.get(text[:_MINUTE_CHARS]), _known_rests.get(text[_SECOND_CHARS:])
    past_minute_ms = _SECOND_MS.get(text[_MINUTE_CHARS:_SECOND_CHARS])
    if minute_ms is None or rest_ms is None or past_minute_ms is None:
        return _parse_text(text)
    second_ms = minute_ms + past_minute_ms
    _remember(_known_seconds, _MAX_SECONDS, text[:_SECOND_CHARS], second_ms)
    return second_ms + rest_ms


def _parse_text(text: str) -> int | None:
    match = _SECONDS.fullmatch(text, _MINUTE_CHARS)
    minute_ms = _minute_ms(text[:_MINUTE_CHARS])
    if match is None or minute_ms is None:
        return None
    second, fraction, sign, offset_hour, offset_minute = match.groups("")
    rest_ms = 0
    if sign:
        offset_ms = (int(offset_hour) * 60 + int(offset_minute)) * _MINUTE_MS
        rest_ms = offset_ms if sign == "-" else -offset_ms
    if second == "60":
        if (minute_ms + rest_ms + _MINUTE_MS) % _DAY_MS:
            return None
        rest_ms += _MINUTE_MS - 1
    else:
        rest_ms += int(f"{fraction:0<3.3}")
        if len(fraction) <= _REMEMBERED_FRACTION_DIGITS:
            _remember(_known_rests, _MAX_RESTS, text[_SECOND_CHARS:], rest_ms)
        rest_ms += int(second) * 1000
    time_ms = minute_ms + rest_ms
    return time_ms if MIN_TIME_MS <= time_ms <= MAX_TIME_MS else None


def _minute_ms(text: str) -> int | None:
    known = _known_minutes.get(text)
    if known is not None:
        return known
    match = _MINUTE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = map(int, match.groups())
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    minute_ms = days * _DAY_MS + (hour * 60 + minute) * _MINUTE_MS
    # Within a day of the first and the last instant an offset may lead outside: those minutes always take the slow way.
    if MIN_TIME_MS + _DAY_MS <= minute_ms <= MAX_TIME_MS - _DAY_MS:
        _remember(_known_minutes, _MAX_MINUTES, text, minute_ms)
    return minute_ms


def _remember(known: dict[str, int], limit: int, text: str, value: int) -> None:
    if len(known) >= limit:
        known.clear()
    known[text] = value
