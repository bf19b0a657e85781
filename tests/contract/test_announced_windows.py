"""The contract of a state store, run over every implementation: windows that are to be told of when they close."""

from engine.ports import (
    Group,
    StateStore,
    Told,
)
from engine.testing import ManualClock
from tests.contract.samples import HOUR_MS, MINUTE_MS, partial


def window(start_ms: int, key: str = "user:u1", aggregation: str = "hourly@1") -> Group:
    return Group(aggregation, key, start_ms)


async def test_closed_windows_that_were_announced_are_found_and_no_others(store: StateStore) -> None:
    await store.announce([window(0), window(HOUR_MS), window(HOUR_MS, "user:a b,%2C"), window(0, aggregation="other@1")], 2**50)
    await store.announce([window(2 * HOUR_MS), window(0)], 2**50)

    closed = await store.announced("hourly@1", HOUR_MS, 1_000)

    assert sorted(closed) == sorted([window(0), window(HOUR_MS), window(HOUR_MS, "user:a b,%2C")])
    assert await store.announced("hourly@2", HOUR_MS, 1_000) == []
    assert len(await store.announced("hourly@1", 2 * HOUR_MS, 2)) <= 2


async def test_the_start_of_the_latest_window_that_is_noted_is_known(store: StateStore) -> None:
    assert await store.last_announced("hourly@1") is None
    await store.announce([window(-HOUR_MS, f"user:{number}") for number in range(100)], 2**50)
    assert await store.last_announced("hourly@1") == -HOUR_MS
    await store.announce([window(2 * HOUR_MS), window(HOUR_MS, "k2"), window(3 * HOUR_MS, aggregation="other@1")], 2**50)
    assert await store.last_announced("hourly@1") == 2 * HOUR_MS

    await store.withdraw([Told(window(2 * HOUR_MS), {window(2 * HOUR_MS): {}})])
    assert await store.last_announced("hourly@1") == HOUR_MS


async def test_a_look_at_many_announced_windows_has_a_bound_and_comes_to_an_end(store: StateStore) -> None:
    everything = {window(0, f"user:{number}") for number in range(300)}
    await store.announce(sorted(everything), 2**50)
    seen: set[Group] = set()

    while found := await store.announced("hourly@1", 0, 100):
        assert len(found) <= 100
        seen.update(found)
        await store.withdraw([Told(one, {one: {}}) for one in found])

    assert seen == everything


async def test_a_window_is_struck_out_only_where_all_its_partials_were_looked_at(store: StateStore) -> None:
    places = [window(0, key) for key in ("same", "newer", "another")]
    await store.write_partials("o1", [partial(3, b"[1]", group=place) for place in places])
    await store.announce(places, 2**50)
    await store.write_partials("o1", [partial(4, b"[2]", 3, b"[1]", group=places[1])])
    await store.write_partials("o2", [partial(1, b"[1]", group=places[2])])

    for _ in range(2):
        await store.withdraw([Told(place, {place: {"o1": 3}}) for place in places])
        assert sorted(await store.announced("hourly@1", 0, 1_000)) == sorted(places[1:])

    await store.withdraw([Told(places[1], {places[1]: {"o1": 4}}), Told(places[2], {places[2]: {"o1": 3, "o2": 1}})])
    assert await store.announced("hourly@1", 0, 1_000) == []


async def test_a_window_of_several_panes_is_struck_out_only_where_all_of_them_were_looked_at(store: StateStore) -> None:
    panes = [window(0), window(HOUR_MS), window(2 * HOUR_MS)]
    await store.write_partials("o1", [partial(3, b"[1]", group=panes[0]), partial(3, b"[1]", group=panes[1])])
    await store.announce([panes[0], window(0, "k2")], 2**50)
    looked_at = {panes[0]: {"o1": 3}, panes[1]: {"o1": 3}, panes[2]: dict[str, int]()}
    await store.write_partials("o2", [partial(1, b"[1]", group=panes[2], base=(1, b"[]"))])

    await store.withdraw([Told(panes[0], looked_at), Told(window(0, "k2"), {})])
    assert await store.announced("hourly@1", 0, 1_000) == panes[:1]

    await store.withdraw([Told(panes[0], looked_at | {panes[2]: {"o2": 1}})])
    assert await store.announced("hourly@1", 0, 1_000) == []


async def test_partials_of_many_groups_are_read_at_once(store: StateStore) -> None:
    await store.write_partials("o1", [partial(1, b"[1]", group=window(0)), partial(1, b"[5]", group=window(0, "k2"))])
    await store.write_partials("o2", [partial(2, b"[2]", 1, b"[1]", group=window(0))])

    found = await store.partials_of([window(0, "k2"), window(7), window(0)])

    assert [sorted(row[1:3] for row in rows) for rows in found] == [[("o1", 1)], [], [("o1", 1), ("o2", 2)]]
    assert {row.owner: (row.now, row.prev_seq, row.prev) for row in found[2]}["o2"] == (b"[2]", 1, b"[1]")


async def test_notes_of_windows_go_with_their_time(store: StateStore, clock: ManualClock) -> None:
    await store.announce([window(0)], clock.now_ms() + HOUR_MS)
    await store.announce([window(0, "k2")], clock.now_ms() + HOUR_MS)
    clock.advance(HOUR_MS + MINUTE_MS)
    while not (await store.sweep(1)).through:
        pass

    assert await store.announced("hourly@1", 0, 1_000) == []
