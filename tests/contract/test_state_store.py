"""The contract of a state store, run over every implementation."""

from engine.ports import (
    COMMITTED,
    COUNTED_BLOCKED,
    FREE,
    HELD,
    OTHER_CONTENT,
    Change,
    Claim,
    CommittedClaim,
    Group,
    Judgement,
    StateStore,
    StoredPartial,
)
from engine.testing import ManualClock
from tests.contract.samples import HOUR_MS, MINUTE_MS, SERVERS, partial

LEASE_MS = 15_000


async def claim(
    store: StateStore, owner: str, seq: int, *keys: str, checksum: int = 7, ttl_ms: int = HOUR_MS
) -> list[Claim | None]:
    return await store.claim(owner, seq, keys, [checksum] * len(keys), [ttl_ms] * len(keys))


async def removed_in_a_round(store: StateStore, limit: int) -> int:
    removed = 0
    for _ in range(100):
        swept = await store.sweep(limit)
        removed += swept.removed
        if swept.through:
            return removed
    raise AssertionError("a round comes to its end")


async def test_a_claim_is_set_where_there_is_none_and_found_by_the_next(store: StateStore) -> None:
    assert await claim(store, "o1", 1, "a", "b") == [None, None]

    assert await claim(store, "o2", 5, "b", "c") == [Claim("o1", 1, 7, HELD, 0), None]


async def test_a_repeated_claim_request_is_answered_as_the_first(store: StateStore) -> None:
    await claim(store, "o2", 9, "b")
    first = await claim(store, "o1", 1, "a", "b")

    assert await claim(store, "o1", 1, "a", "b") == first == [None, Claim("o2", 9, 7, HELD, 0)]
    assert await claim(store, "o1", 2, "a") == [Claim("o1", 1, 7, HELD, 0)]


async def test_a_claim_ends_with_its_time_to_live(store: StateStore, clock: ManualClock) -> None:
    await claim(store, "o1", 1, "a", ttl_ms=HOUR_MS)
    clock.advance(HOUR_MS - MINUTE_MS)
    assert await claim(store, "o2", 1, "a") == [Claim("o1", 1, 7, HELD, 0)]
    clock.advance(MINUTE_MS)

    assert await claim(store, "o2", 1, "a") == [None]


async def test_settle_changes_only_what_is_as_expected(store: StateStore) -> None:
    await claim(store, "o1", 1, "a", "b")
    held = Claim("o1", 1, 7, HELD, 0)
    free, marked, taken = held._replace(mark=FREE), held._replace(mark=COUNTED_BLOCKED), Claim("o2", 3, 8, HELD, 1)

    assert await store.settle([Change("a", held, free), Change("b", free, taken), Change("none", held, free)]) == [
        free,
        held,
        None,
    ]
    assert await store.settle([Change("a", free, taken, HOUR_MS), Change("b", held, marked)]) == [taken, marked]
    assert await claim(store, "o3", 1, "a", "b") == [taken, marked]


async def test_a_repeated_settle_comes_to_the_same_end(store: StateStore) -> None:
    await claim(store, "o1", 1, "a")
    change = Change("a", Claim("o1", 1, 7, HELD, 0), Claim("o2", 1, 7, HELD, 1), HOUR_MS)

    assert await store.settle([change]) == await store.settle([change]) == [change.new]


async def test_settle_keeps_the_time_left_unless_it_is_told_a_new_one(store: StateStore, clock: ManualClock) -> None:
    await claim(store, "o1", 1, "kept", "renewed", ttl_ms=HOUR_MS)
    held = Claim("o1", 1, 7, HELD, 0)
    clock.advance(HOUR_MS - MINUTE_MS)
    await store.settle([Change("kept", held, held._replace(mark=FREE)), Change("renewed", held, held, HOUR_MS)])
    clock.advance(MINUTE_MS)

    assert await claim(store, "o2", 1, "kept", "renewed") == [None, held]


async def test_settle_without_a_new_value_only_looks(store: StateStore) -> None:
    await claim(store, "o1", 1, "a")

    held = Claim("o1", 1, 7, HELD, 0)
    assert await store.settle([Change("a", held, None), Change("b", held, None)]) == [held, None]


async def test_an_expired_claim_cannot_be_changed(store: StateStore, clock: ManualClock) -> None:
    await claim(store, "o1", 1, "a", ttl_ms=1_000)
    clock.advance(1_000)

    held = Claim("o1", 1, 7, HELD, 0)
    assert await store.settle([Change("a", held, held._replace(mark=FREE))]) == [None]


async def committed_claim(store: StateStore, *keys: str, checksum: int = 7, ttl_ms: int = HOUR_MS) -> list[CommittedClaim]:
    """Claims that are made, and handed over as committed."""
    await claim(store, "o1", 1, *keys, checksum=checksum, ttl_ms=ttl_ms)
    claims = [CommittedClaim(key, Claim("o1", 1, checksum), ttl_ms) for key in keys]
    await store.compact(claims)
    return claims


async def test_a_committed_claim_stays_known_and_so_does_its_content(store: StateStore) -> None:
    await committed_claim(store, "a:1", "a:2")

    same = Claim("", 0, 7, COMMITTED) if store.compacts else Claim("o1", 1, 7)
    other = Claim("", 0, OTHER_CONTENT, COMMITTED) if store.compacts else Claim("o1", 1, 7)
    assert await claim(store, "o2", 1, "a:1", "a:2", "a:3") == [same, same, None]
    assert await claim(store, "o2", 2, "a:1", checksum=8) == [other]
    assert await store.settle([Change("a:1", Claim("o1", 1, 7), None), Change("a:2", Claim("o1", 1, 8), None)]) == [same, other]


async def test_a_repeated_or_late_request_changes_nothing_about_a_committed_claim(store: StateStore) -> None:
    claims = await committed_claim(store, "a:1")
    before = await claim(store, "o2", 1, "a:1")
    held = Claim("o1", 1, 7)
    await store.compact(claims)
    await claim(store, "o1", 1, "a:1")

    if store.compacts:
        assert await store.settle([Change("a:1", held, held._replace(mark=FREE))]) == [Claim("", 0, 7, COMMITTED)]
    assert await claim(store, "o2", 1, "a:1") == before


async def test_only_a_claim_that_is_as_it_is_said_to_be_becomes_committed(store: StateStore) -> None:
    await claim(store, "o1", 1, "a:1")
    taken = Claim("o2", 3, 7, HELD, 1)
    await store.settle([Change("a:1", Claim("o1", 1, 7), taken)])
    await store.compact([CommittedClaim("a:1", Claim("o1", 1, 7), HOUR_MS), CommittedClaim("a:2", Claim("o1", 1, 7), HOUR_MS)])

    assert await claim(store, "o3", 1, "a:1", "a:2") == [taken, None]


async def test_a_committed_claim_lasts_its_time_and_at_most_a_quarter_longer(store: StateStore, clock: ManualClock) -> None:
    await committed_claim(store, "a:1")
    clock.advance(HOUR_MS - MINUTE_MS)
    assert await claim(store, "o2", 1, "a:1") != [None]
    clock.advance(MINUTE_MS + HOUR_MS // 4 + 1_000)

    assert await claim(store, "o2", 1, "a:1") == [None]


async def test_committed_claims_of_many_keys_and_times_to_live_are_all_known(store: StateStore) -> None:
    keys = [f"answer:{number}" for number in range(700)]
    for part, ttl_ms in enumerate((HOUR_MS, 24 * HOUR_MS)):
        await committed_claim(store, *keys[part::2], ttl_ms=ttl_ms)

    assert None not in await claim(store, "o2", 1, *keys)
    assert await claim(store, "o2", 1, *(f"other:{number}" for number in range(700))) == [None] * 700


async def test_an_owners_name_is_taken_once(store: StateStore) -> None:
    assert await store.open("o1", LEASE_MS)
    assert not await store.open("o1", LEASE_MS)


async def test_committed_only_grows(store: StateStore) -> None:
    await store.open("o1", LEASE_MS)

    assert [await store.keep("o1", seq, LEASE_MS, 0) for seq in (3, 2, 5)] == [3, 3, 5]
    assert await store.judge("o1") == Judgement(gone=False, committed=5)
    assert await store.committed(["o1", "never"]) == {"o1": 5, "never": 0}


async def test_an_owner_past_its_deadline_is_gone_for_good_once_seen(store: StateStore, clock: ManualClock) -> None:
    await store.open("o1", LEASE_MS)
    await store.keep("o1", 4, LEASE_MS, 0)
    clock.advance(LEASE_MS + 1)
    assert await store.judge("o1") == Judgement(gone=True, committed=4)
    clock.step_wall(-HOUR_MS)

    assert await store.judge("o1") == Judgement(gone=True, committed=4)
    assert await store.keep("o1", 9, LEASE_MS, 0) is None
    assert await store.committed(["o1"]) == {"o1": 4}


async def test_a_renewal_past_the_deadline_ends_the_owner_in_the_same_step(store: StateStore, clock: ManualClock) -> None:
    await store.open("o1", LEASE_MS)
    clock.advance(LEASE_MS + 1)
    assert await store.keep("o1", 1, LEASE_MS, 0) is None
    clock.step_wall(-HOUR_MS)

    assert await store.keep("o1", 1, LEASE_MS, 0) is None


async def test_a_renewal_moves_the_deadline(store: StateStore, clock: ManualClock) -> None:
    await store.open("o1", LEASE_MS)
    clock.advance(LEASE_MS * 2 // 3)
    await store.keep("o1", 0, LEASE_MS, 0)
    clock.advance(LEASE_MS * 2 // 3)

    assert not (await store.judge("o1")).gone


async def test_an_ended_owner_commits_nothing(store: StateStore) -> None:
    await store.open("o1", LEASE_MS)
    await store.end("o1")

    assert await store.keep("o1", 1, LEASE_MS, 0) is None


async def test_an_unknown_owner_is_gone_with_nothing_committed(store: StateStore) -> None:
    assert await store.judge("never") == Judgement(gone=True, committed=0)
    assert await store.keep("never", 1, LEASE_MS, 0) is None


async def test_a_partial_is_never_written_over_by_an_older_one(store: StateStore) -> None:
    group = Group("hits@1", "user:1", 0)
    await store.write_partials("o1", [partial(5, b"new", 3, b"old", group=group)])
    await store.write_partials("o1", [partial(3, b"late", group=group)])

    assert await store.own_partials("o1", [group]) == [StoredPartial(group, "o1", 5, b"new", 3, b"old")]


async def test_a_base_stays_until_another_is_written_at_its_place_and_every_look_brings_both(store: StateStore) -> None:
    group = Group("hits@1", "user:1", 0)
    await store.write_partials("o1", [partial(1, b"[1]", group=group, base=(1, b"first"))])
    await store.write_partials("o1", [partial(2, b"[2]", 1, b"[1]", group=group, base=(2, b"second"))])
    await store.write_partials("o1", [partial(3, b"[3]", 2, b"[2]", group=group)])
    await store.write_partials("o2", [partial(1, b"[4]", group=group)])
    ours = StoredPartial(group, "o1", 3, b"[3]", 2, b"[2]", (b"first", b"second"))
    theirs = StoredPartial(group, "o2", 1, b"[4]", 0, b"", (b"", b""))

    assert await store.own_partials("o1", [group]) == [ours]
    assert sorted(await store.partials("hits@1", "user:1", 0, 1)) == [ours, theirs]
    assert [sorted(rows) async for rows in store.scan("hits@1", 0, 1)] == [[ours, theirs]]
    assert [sorted(rows) for rows in await store.partials_of([group])] == [[ours, theirs]]


async def test_a_base_is_never_written_over_by_an_older_one(store: StateStore) -> None:
    group = Group("hits@1", "user:1", 0)
    for seq, base in ((1, (1, b"first")), (2, (2, b"second")), (3, (1, b"third"))):
        await store.write_partials("o1", [partial(seq, b"[]", group=group, base=base)])
    await store.write_partials("o1", [partial(1, b"[]", group=group, base=(1, b"first"))])

    [row] = await store.partials("hits@1", "user:1", 0, 1)

    assert row.bases == (b"third", b"second")


async def test_a_partial_is_read_by_key_and_range_over_all_owners(store: StateStore) -> None:
    first, second, other = Group("hits@1", "user:1", 0), Group("hits@1", "user:1", 60), Group("hits@1", "user:2", 0)
    await store.write_partials(
        "o1", [partial(1, b"a", group=second), partial(1, b"b", group=first), partial(1, b"c", group=other)]
    )
    await store.write_partials("o2", [partial(7, b"d", group=first)])

    found = await store.partials("hits@1", "user:1", 0, 60)

    assert sorted(found) == [StoredPartial(first, "o1", 1, b"b", 0, b""), StoredPartial(first, "o2", 7, b"d", 0, b"")]
    assert [p.group.start_ms for p in await store.partials("hits@1", "user:1", 0, 61)] == [0, 0, 60]
    assert await store.own_partials("o2", [second, first]) == [None, StoredPartial(first, "o2", 7, b"d", 0, b"")]


async def test_a_scan_gives_each_group_once_with_all_its_owners(store: StateStore) -> None:
    groups = [Group("hits@1", f"user:{number:04}", 60 * pane) for number in range(900) for pane in range(2)]
    for owner in ("o1", "o2"):
        await store.write_partials(owner, [partial(1, owner.encode(), group=group) for group in groups])
    await store.write_partials("o1", [partial(1, b"", group=Group("other@1", "", 0))])

    found = [rows async for rows in store.scan("hits@1", 0, 61)]

    assert [rows[0].group for rows in found] == groups
    assert all({row.owner for row in rows} == {"o1", "o2"} and {row.group for row in rows} == {rows[0].group} for rows in found)
    assert [rows[0].group.start_ms async for rows in store.scan("hits@1", 60, 120)] == [60] * 900


async def test_a_sweep_removes_what_has_expired_and_nothing_else(store: StateStore, clock: ManualClock, kind: str) -> None:
    old, kept = Group("hits@1", "old", 0), Group("hits@1", "kept", 0)
    now_ms = clock.now_ms()
    await store.open("gone", LEASE_MS)
    await store.open("here", LEASE_MS)
    await claim(store, "gone", 1, "short", ttl_ms=60_000)
    await claim(store, "gone", 1, "long", ttl_ms=HOUR_MS)
    await store.write_partials("gone", [partial(1, b"", group=old, expires_ms=now_ms + 60_000, base=(1, b"b"))])
    await store.write_partials("gone", [partial(1, b"x", group=kept, expires_ms=now_ms + 60_000)])
    await store.write_partials("here", [partial(1, b"y", group=kept, expires_ms=now_ms + HOUR_MS)])
    await store.keep("here", 3, LEASE_MS, now_ms + HOUR_MS)
    clock.advance(HOUR_MS // 2)

    assert await removed_in_a_round(store, 100) == (0 if kind in SERVERS else 3), (
        "a claim, a group and an owner; a server does that by itself"
    )
    assert await claim(store, "o", 1, "long") == [Claim("gone", 1, 7, HELD, 0)]
    assert [p.now for p in await store.partials("hits@1", "kept", 0, 1)] == [b"x", b"y"]
    assert await store.partials("hits@1", "old", 0, 1) == []
    assert await store.committed(["gone", "here"]) == {"gone": 0, "here": 3}


async def test_a_round_of_sweeps_is_through_where_all_that_had_expired_is_gone(
    store: StateStore, clock: ManualClock, kind: str
) -> None:
    now_ms = clock.now_ms()
    for number in range(60):
        lasts_ms = MINUTE_MS * 15 if number % 20 == 0 else HOUR_MS
        group = Group("hits@1", f"user:{number}", 0)
        await claim(store, "o1", 1, f"a:{number}", ttl_ms=lasts_ms)
        await store.write_partials("o1", [partial(1, b"", group=group, expires_ms=now_ms + lasts_ms)])
        await store.announce([group], now_ms + lasts_ms)
    clock.advance(HOUR_MS // 2)

    assert await removed_in_a_round(store, 20) == (0 if kind in SERVERS else 9), "three claims, three groups, three notes"
    assert await removed_in_a_round(store, 7) == 0
    clock.advance(HOUR_MS)
    rest = [await removed_in_a_round(store, 1_000) for _ in range(2)]
    assert sum(rest) == (0 if kind in SERVERS else 171), "with two workers, one of them was in the midst of its round"


async def test_a_scan_goes_on_where_a_group_behind_it_is_swept(store: StateStore, clock: ManualClock) -> None:
    groups = [Group("hits@1", f"user:{number}", 0) for number in range(2)]
    for group in groups:
        await store.write_partials("o1", [partial(1, b"x", group=group, expires_ms=clock.now_ms() + MINUTE_MS)])

    found = []
    async for rows in store.scan("hits@1", 0, 1):
        found.append(rows[0].group)
        clock.advance(HOUR_MS)
        await removed_in_a_round(store, 100)

    assert found[0] == groups[0]


async def test_keys_of_any_text_are_told_apart(store: StateStore) -> None:
    keys = ["a", "A", "ä", "a\u0308", "", " ", "a'b", 'a"b', "a,b", "\x00", "😀", "%61"]

    assert await claim(store, "o1", 1, *keys) == [None] * len(keys)
    assert all(await claim(store, "o1", 2, *keys))
