"""What a store in memory keeps is bounded by what there is."""

import gc
import weakref

from engine.ports import FREE, Change, Claim
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock

DAY_MS = 86_400_000
MOST = 1_000


class Key(str):
    """A key that can be seen to be gone."""

    __slots__ = ("__weakref__",)


async def claim(store: MemoryStateStore, keys: list[Key], ttl_ms: int = DAY_MS) -> None:
    await store.claim("o1", 1, keys, [7] * len(keys), [ttl_ms] * len(keys))


async def test_keys_of_claims_that_are_forgotten_are_let_go() -> None:
    store, seen = MemoryStateStore(ManualClock(), MOST), weakref.WeakSet[Key]()
    for start in range(0, 20 * MOST, 500):
        keys = [Key(f"a:{number}") for number in range(start, start + 500)]
        seen.update(keys)
        await claim(store, keys)
        del keys
        await store.sweep(100)

    gc.collect()
    assert store.kept()["memory_claims"] <= MOST
    assert len(seen) <= 2 * MOST, "those that are kept, and those that a round has still to look at"


async def test_claims_that_had_expired_are_not_counted_as_forgotten() -> None:
    clock = ManualClock()
    store = MemoryStateStore(clock, MOST)
    await claim(store, [Key(f"short:{number}") for number in range(50)], ttl_ms=600_000)
    await claim(store, [Key(f"long:{number}") for number in range(MOST - 50)])
    clock.advance(600_000)

    await claim(store, [Key("one more")])

    assert MOST - store.kept()["memory_claims"] == MOST // 16
    assert store.claims_forgotten == MOST // 16 + 1 - 50


async def test_a_claim_that_is_set_again_is_as_young_as_it_is_then() -> None:
    clock = ManualClock()
    store = MemoryStateStore(clock, MOST)
    held = Claim("o1", 1, 7)
    await claim(store, [Key("again"), Key("expired")], ttl_ms=600_000)
    await claim(store, [Key(f"a:{number}") for number in range(MOST - 2)])
    free, retaken = held._replace(mark=FREE), held._replace(seq=2)
    await store.settle([Change("again", held, free), Change("again", free, retaken, DAY_MS)])
    clock.advance(600_000)
    await claim(store, [Key("expired"), Key("one more")])

    assert await store.settle([Change("again", held, None), Change("expired", held, None), Change("a:0", held, None)]) == [
        retaken,
        held,
        None,
    ]
