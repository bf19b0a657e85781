"""What is an instant, and what is not."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.rules.times import MAX_TIME_MS, MIN_TIME_MS, format_time, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NINE_THIRTY_MS = 1_772_357_405_000


def whole_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=offsets), st.sampled_from(["T", "t", " "]))
@example(datetime(1, 1, 1, tzinfo=UTC), "T")
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "T")
@example(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "T")
def test_text_names_the_instant_that_datetime_names(moment: datetime, separator: str) -> None:
    expected = whole_ms(moment)
    found = parse_time(moment.isoformat(separator))
    assert found == (expected if MIN_TIME_MS <= expected <= MAX_TIME_MS else None)
    assert parse_time(moment.isoformat(separator)) == found, "asked a second time"


@given(st.integers(MIN_TIME_MS, MAX_TIME_MS))
def test_a_formatted_instant_is_read_back(time_ms: int) -> None:
    text = format_time(time_ms)
    assert len(text) == len("2026-03-01T09:30:05.123Z")
    assert parse_time(text) == time_ms == parse_time(time_ms)


@given(st.text(alphabet="0123456789-:T tZz.+ \n٣", max_size=32))
def test_text_that_is_read_is_a_time_for_datetime_as_well(text: str) -> None:
    found = parse_time(text)
    if found is not None:
        assert ":60" in text or whole_ms(datetime.fromisoformat(text.upper())) == found


@pytest.mark.parametrize(
    ("text", "after_ms"),
    [
        ("2026-03-01T09:30:05Z", 0),
        ("2026-03-01t09:30:05z", 0),
        ("2026-03-01 09:30:05Z", 0),
        ("2026-03-01T09:30:05.1Z", 100),
        ("2026-03-01T09:30:05.12Z", 120),
        ("2026-03-01T09:30:05.123Z", 123),
        ("2026-03-01T09:30:05.1239Z", 123),
        ("2026-03-01T09:30:05.123999999999999999999999999999Z", 123),
        ("2026-03-01T11:30:05+02:00", 0),
        ("2026-03-01T03:45:05.5-05:45", 500),
        ("2026-03-01T09:30:05-00:00", 0),
    ],
)
def test_every_form_of_rfc_3339_is_read_to_the_millisecond(text: str, after_ms: int) -> None:
    assert parse_time(text) == NINE_THIRTY_MS + after_ms


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-03-01",
        "2026-03-01T09:30:05",
        "2026-03-01T09:30Z",
        "2026-02-29T09:30:05Z",
        "2026-04-31T09:30:05Z",
        "2026-13-01T09:30:05Z",
        "2026-00-10T09:30:05Z",
        "0000-01-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T09:60:05Z",
        "2026-03-01T09:30:61Z",
        "2026-03-01T09:30:60Z",
        "2026-03-01T09:30:05.Z",
        "2026-03-01T09:30:05,123Z",
        "2026-03-01T09:30:05+0200",
        "2026-03-01T09:30:05+24:00",
        "2026-03-01T09:30:05+02",
        "2026-03-01T09:30:05 Z",
        " 2026-03-01T09:30:05Z",
        "2026-03-01T09:30:05Z\n",
        "2026-03-01T09:30:05ZZ",
        "26-03-01T09:30:05Z",
        "2026-3-1T09:30:05Z",
        "２０２６-03-01T09:30:05Z",
        "2026-03-01_09:30:05Z",
        "+12026-03-01T09:30:05Z",
        "1772357405000",
        True,
        1772357405000.0,
        float("nan"),
        None,
        [],
        {},
        b"2026-03-01T09:30:05Z",
        MIN_TIME_MS - 1,
        MAX_TIME_MS + 1,
        2**70,
    ],
)
def test_what_is_not_exactly_an_instant_is_none(value: object) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.75Z", "2017-01-01T01:59:60+02:00", "2016-12-31T18:59:60-05:00"]
)
def test_a_leap_second_is_the_last_millisecond_of_its_minute(text: str) -> None:
    assert parse_time(text) == whole_ms(datetime(2016, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))


def test_memory_stays_bounded_and_right_over_more_minutes_and_fractions_than_are_remembered() -> None:
    first = parse_time("2020-01-01T00:00:00.000+00:00")
    assert first is not None
    for minute in range(12_000):
        assert parse_time(format_time(first + minute * 60_000)) == first + minute * 60_000
    for millisecond in range(60_000):
        text = format_time(first + millisecond)[:-1]
        assert parse_time(text + "+01:00") == first + millisecond - 3_600_000
        assert parse_time(text + "-01:00") == first + millisecond + 3_600_000


def test_an_instant_outside_the_calendar_has_no_text() -> None:
    with pytest.raises(OverflowError):
        format_time(MAX_TIME_MS + 1)
