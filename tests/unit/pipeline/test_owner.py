"""What an owner asks of the store: again and again until it is answered, and no longer than it is wanted."""

import asyncio

import pytest

from engine.errors import StoreUnavailable
from engine.metrics import Counters
from engine.pipeline.owner import LeaseTimes, Owner, StoreHealth
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock


@pytest.mark.parametrize("answered", [True, False])
async def test_who_was_cancelled_goes_no_further_though_the_store_kept_it_to_itself(answered: bool) -> None:
    """Else a tenure that loses its lease meanwhile waits for ever for the part of it that goes on."""
    clock = ManualClock()
    owner = Owner("o", MemoryStateStore(clock), clock, StoreHealth(), Counters(), LeaseTimes())
    asked = asyncio.Event()

    async def keeps_it_to_itself() -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not answered:
                raise StoreUnavailable("no answer in time") from None
        return "answer"

    asking = asyncio.create_task(owner.insist(keeps_it_to_itself))
    await asked.wait()
    asking.cancel()

    async with asyncio.timeout(5):
        await asyncio.wait([asking])
    assert asking.cancelled()


def test_the_log_is_told_once_that_the_store_is_away_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    health = StoreHealth()
    for found in (None, "it is locked", "it is locked", None, None):
        health.note(found)

    assert [record.getMessage() for record in caplog.records] == [
        "the state store does not answer: it is locked; asking again until it does",
        "the state store answers again",
    ]
