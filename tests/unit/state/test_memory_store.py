"""The memory store: what it keeps is bounded, however long claims last."""

import tracemalloc

from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock

WEEK_MS = 7 * 86_400_000


async def test_claims_that_are_forgotten_take_no_memory_until_they_expire() -> None:
    store = MemoryStateStore(ManualClock(), max_claims=1_000)
    await store.open("owner", 15_000)

    async def claim(rounds: range) -> int:
        for turn in rounds:
            keys = [f"answer:{turn}-{number}" for number in range(1_000)]
            await store.claim("owner", turn, keys, [1] * len(keys), [WEEK_MS] * len(keys))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few, many = await claim(range(1, 10)), await claim(range(10, 40))
    finally:
        tracemalloc.stop()

    assert many - few < 500_000
