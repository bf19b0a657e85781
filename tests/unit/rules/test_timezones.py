"""The hour of an instant in a zone is that of the zone's own rules, whatever is remembered of instants before it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.timezones import local_hour

_ZONES = (
    "Africa/Monrovia",  # 44 minutes and 30 seconds behind UTC until 1972
    "America/St_Johns",  # once changed its clocks a minute past midnight
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # moves its clocks by half an hour
    "Europe/Amsterdam",
    "Europe/Berlin",
    "UTC",
)
_INSTANTS_MS = st.integers(min_value=-2_500_000_000_000, max_value=4_000_000_000_000)
_CLOSE_MS = st.lists(st.integers(min_value=-90_000, max_value=90_000), min_size=1, max_size=5)


@given(_INSTANTS_MS, _CLOSE_MS, st.sampled_from(_ZONES))
def test_hour_is_that_of_the_zone_at_every_instant(instant_ms: int, close_ms: list[int], zone: str) -> None:
    for time_ms in [instant_ms + offset_ms for offset_ms in close_ms]:
        assert local_hour(time_ms, zone) == datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone)).hour


@pytest.mark.parametrize("zone", _ZONES)
def test_hour_changes_at_the_second_that_it_changes_in_the_zone(zone: str) -> None:
    # The hours around a day of 1960, when some zones were no whole minutes from UTC, and of today's rules.
    for first_s in (-315_619_200, 1_194_148_800):
        for second in range(first_s, first_s + 86_400, 29):
            assert local_hour(second * 1000 + 999, zone) == datetime.fromtimestamp(second, ZoneInfo(zone)).hour


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", None, 7])
def test_what_is_no_zone_has_no_hour(name: object) -> None:
    assert local_hour(1_700_000_000_000, name) is None
