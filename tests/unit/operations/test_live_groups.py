"""How much state there is, asked of a store through its port."""

from pathlib import Path

import pytest

from engine.operations.live_groups import LiveGroups, count_states
from engine.ports import Group, Partial, StateStore
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import SqliteStateStore
from engine.testing import ManualClock


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_keys_and_groups_are_counted_once_whoever_owns_them_and_a_count_has_an_end(tmp_path: Path, kind: str) -> None:
    clock = ManualClock()
    store: StateStore = MemoryStateStore(clock) if kind == "memory" else SqliteStateStore(tmp_path / "s.db", clock)
    groups = [Group("a@1", key, start_ms) for key in ("u1", "u2") for start_ms in (-60_000, 0, 60_000)]
    for owner in ("o1", "o2"):
        await store.open(owner, 1_000)
        await store.write_partials(owner, [Partial(group, 1, b"[1]", 0, b"", 1 << 50) for group in groups])

    assert await count_states(store, ["a@1", "b@1"]) == {"a@1": LiveGroups(2, 6), "b@1": LiveGroups(0, 0)}
    assert await count_states(store, ["a@1"], most=4) == {"a@1": LiveGroups(2, 4, complete=False)}
    assert await count_states(store, ["a@1"], most=6) == {"a@1": LiveGroups(2, 6)}
    await store.close()
