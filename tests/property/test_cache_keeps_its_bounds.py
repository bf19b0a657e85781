"""The local cache under any order of use: nothing at hand that is over, nothing found but the newest, never more than allowed."""

from hypothesis import given
from hypothesis import strategies as st

from engine.enrichment.cache import LocalCache
from engine.ports import Context
from engine.rules.model import Cache

RULES = st.builds(
    Cache,
    local_ttl_ms=st.integers(1, 50),
    local_max_entries=st.integers(1, 20),
    negative_ttl_ms=st.none() | st.integers(1, 50),
    stale_if_error_ms=st.none() | st.integers(1, 50),
    refresh_ahead=st.none() | st.floats(0.01, 1),
)
STEPS = st.lists(st.tuples(st.sampled_from(["keep", "nothing", "find", "wait"]), st.integers(0, 30)), max_size=200)


@given(RULES, STEPS)
def test_what_is_at_hand_is_good_what_is_found_is_the_newest_and_there_are_never_too_many(
    rule: Cache, steps: list[tuple[str, int]]
) -> None:
    cache, newest, now_ms = LocalCache(rule), dict[str, tuple[Context, int]](), 0
    for number, (step, value) in enumerate(steps):
        key = f"k{value}"
        if step == "keep":
            newest[key] = Context({"n": number}, "fresh"), now_ms
            cache.keep(key, newest[key][0], now_ms)
        elif step == "nothing":
            newest[key] = Context(None, "negative"), now_ms
            cache.keep_nothing(key, newest[key][0], now_ms)
        elif step == "wait":
            now_ms += value
        cache.sweep(now_ms)
        found = cache.find(key, now_ms)
        assert found is None or found.context is newest[key][0]
        if found is not None and found.due_ms <= now_ms < found.fresh_until_ms:
            cache.postpone(key, now_ms)
        assert len(cache) <= rule.local_max_entries
        for other, context in cache.at_hand.items():
            kept, since_ms = newest[other]
            ttl_ms = rule.local_ttl_ms if kept.value is not None else rule.negative_ttl_ms
            assert context is kept
            assert ttl_ms is not None
            assert now_ms < since_ms + ttl_ms


@given(RULES, STEPS)
def test_when_everything_is_over_nothing_is_kept(rule: Cache, steps: list[tuple[str, int]]) -> None:
    cache = LocalCache(rule)
    for now_ms, (step, value) in enumerate(steps):
        (cache.keep_nothing if step == "nothing" else cache.keep)(f"k{value}", Context({}, "fresh"), now_ms)
    cache.sweep(1_000)
    cache.sweep(1_000)

    assert (len(cache), len(cache.at_hand), len(cache._aside), len(cache._moments)) == (0, 0, 0, 0)
