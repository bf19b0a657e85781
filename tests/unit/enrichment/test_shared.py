"""Answers that workers share: asked for first, once a batch, and never in anybody's way."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from engine.enrichment.contexts import SourceContexts
from engine.enrichment.shared import Write, fingerprint
from engine.event import JsonObject
from engine.ports import Context
from engine.rules.model import Breaker, Cache, Path, Source, SourceSpec
from engine.testing import ManualClock
from tests.unit.enrichment.scripted import BUDGET_MS, ScriptedSource, until

ROW: JsonObject = {"plan": "free"}
FRESH, NEGATIVE = Context(ROW, "fresh"), Context(None, "negative")
CACHE = Cache(local_ttl_ms=1_000, local_max_entries=100, shared_ttl_ms=10_000, negative_ttl_ms=500, stale_if_error_ms=5_000)
SOURCE = Source("user", Path("user_id", ("user_id",)), (SourceSpec("scripted", {"at": "a"}),), CACHE)


class Answers:
    """Shared answers in this process, with the clock's time to live; `away` says that they cannot be asked, `gate` holds answers back."""

    prefix = "p"
    waiting = 0

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.values: dict[bytes, tuple[bytes, int]] = {}
        self.reads: list[list[bytes]] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        self.reads.append(list(keys))
        await self.gate.wait()
        return None if self.away else [self.value(key) for key in keys]

    def write(self, writes: Iterable[Write]) -> None:
        for key, value, ttl_ms, counts in writes:
            if self.away:
                counts.shared_unwritten += 1
            elif value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = (value, self.clock.monotonic_ms() + ttl_ms)

    async def close(self) -> None:
        pass

    def value(self, key: bytes) -> bytes | None:
        value, until_ms = self.values.get(key, (b"", 0))
        return value if self.clock.monotonic_ms() < until_ms else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def answers(clock: ManualClock) -> Answers:
    return Answers(clock)


def worker(answers: Answers, place: ScriptedSource, source: Source = SOURCE, **changed: Any) -> SourceContexts:
    return SourceContexts(replace(source, **changed), [place], BUDGET_MS, answers.clock, answers)


async def test_what_one_worker_has_found_no_other_asks_the_place_for(answers: Answers) -> None:
    first, second = ScriptedSource({"u1": ROW}), ScriptedSource()
    one, other = worker(answers, first), worker(answers, second)
    await one.fetch(["u1", "nobody"])

    assert await other.fetch(["u1", "u1", "nobody"]) == {"u1": FRESH, "nobody": NEGATIVE}
    assert (first.calls, second.calls) == ([["u1"], ["nobody"]], [])
    assert (one.counts.fetched, one.counts.negative) == (1, 1)
    assert (other.counts.hits_shared, other.counts.negative, other.counts.lookups, other.counts.fetches) == (2, 1, 3, 0)
    assert other.at_hand == {"u1": FRESH, "nobody": NEGATIVE}


async def test_all_misses_of_a_batch_are_one_read_however_few_keys_the_place_takes(answers: Answers) -> None:
    place = ScriptedSource({f"u{n}": ROW for n in range(5)}, max_keys=2)
    user = worker(answers, place)

    await user.fetch([f"u{n}" for n in range(5)])

    assert [len(keys) for keys in answers.reads] == [5]
    assert place.calls == [["u0", "u1"], ["u2", "u3"], ["u4"]]


async def test_those_who_ask_for_one_key_at_the_same_time_share_one_read_and_one_call(answers: Answers) -> None:
    place = ScriptedSource({"u1": ROW})
    user = worker(answers, place)
    answers.gate.clear()
    waiting = [asyncio.ensure_future(user.fetch(["u1"])) for _ in range(10)]
    await until(lambda: answers.reads)
    answers.gate.set()

    assert await asyncio.gather(*waiting) == [{"u1": FRESH}] * 10
    assert (len(answers.reads), place.calls) == (1, [["u1"]])


async def test_an_answer_of_another_worker_is_kept_no_longer_than_it_is_good(answers: Answers, clock: ManualClock) -> None:
    await worker(answers, ScriptedSource({"u1": ROW})).fetch(["u1"])
    clock.advance(9_900)
    late = worker(answers, ScriptedSource({"u1": {"plan": "paid"}}))
    assert await late.fetch(["u1"]) == {"u1": FRESH}
    clock.advance(99)
    assert late.at_hand == {"u1": FRESH}
    clock.advance(1)

    assert late.at_hand == {}
    assert await late.fetch(["u1"]) == {"u1": Context({"plan": "paid"}, "fresh")}


async def test_that_nothing_is_there_is_shared_for_a_time_of_its_own(answers: Answers, clock: ManualClock) -> None:
    await worker(answers, ScriptedSource()).fetch(["u1"])
    clock.advance(500)
    place = ScriptedSource({"u1": ROW})

    assert await worker(answers, place).fetch(["u1"]) == {"u1": FRESH}
    assert place.calls == [["u1"]]


async def test_a_refresh_takes_a_young_answer_of_another_worker_and_asks_the_place_for_an_old_one(
    answers: Answers, clock: ManualClock
) -> None:
    cache = replace(CACHE, refresh_ahead=0.5)
    place, elsewhere = ScriptedSource({"u1": ROW}), ScriptedSource({"u1": {"plan": "paid"}})
    user = worker(answers, place, cache=cache)
    await user.fetch(["u1"])
    clock.advance(600)
    await user.fetch(["u1"])
    await until(lambda: len(answers.reads) == 2)
    assert place.calls == [["u1"]]
    for _ in range(12):
        clock.advance(450)
        await user.fetch(["u1"])
        await asyncio.sleep(0)

    await until(lambda: len(place.calls) == 2)
    assert await worker(answers, elsewhere, cache=cache).fetch(["u1"]) == {"u1": FRESH}
    assert elsewhere.calls == []


async def test_without_an_answer_in_time_the_place_is_asked_and_that_is_counted(answers: Answers) -> None:
    answers.away = True
    user = worker(answers, ScriptedSource({"u1": ROW}))

    assert await user.fetch(["u1", "u2"]) == {"u1": FRESH, "u2": NEGATIVE}
    assert (user.counts.shared_skipped, user.counts.shared_unwritten, user.counts.fetched) == (2, 2, 1)


async def test_however_long_a_read_takes_the_event_goes_on_within_the_budget(answers: Answers, clock: ManualClock) -> None:
    user = worker(answers, ScriptedSource({"u1": ROW}))
    answers.gate.clear()
    waiting = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: answers.reads and clock.next_due_ms() == BUDGET_MS)
    clock.advance(BUDGET_MS)

    assert await waiting == {"u1": Context(None, "timeout")}
    await user.close()


async def test_an_answer_that_is_over_stands_in_while_neither_the_others_nor_the_place_know(
    answers: Answers, clock: ManualClock
) -> None:
    place = ScriptedSource({"u1": ROW})
    user = worker(answers, place)
    await user.fetch(["u1"])
    clock.advance(1_000)
    answers.away = True
    place.fail()

    assert await user.fetch(["u1"]) == {"u1": Context(ROW, "stale")}


async def test_what_others_have_found_is_there_while_the_place_is_left_alone(answers: Answers) -> None:
    await worker(answers, ScriptedSource({"u1": ROW})).fetch(["u1"])
    place = ScriptedSource()
    place.fail()
    user = worker(answers, place, breaker=Breaker(failures=1))
    await user.fetch(["u2"])

    assert user.breaker == "open"
    assert await user.fetch(["u1", "u3"]) == {"u1": FRESH, "u3": Context(None, "breaker_open")}
    assert place.calls == [["u2"]]


async def test_only_the_fields_wanted_are_shared_and_a_source_with_others_has_answers_of_its_own(answers: Answers) -> None:
    await worker(answers, ScriptedSource({"u1": {"a": 1, "b": 2}}), fields=("a",)).fetch(["u1"])
    place = ScriptedSource({"u1": {"a": 1, "b": 2}})

    assert await worker(answers, place, fields=("a", "b")).fetch(["u1"]) == {"u1": Context({"a": 1, "b": 2}, "fresh")}
    assert sorted(orjson.loads(value)[2] == {"a": 1} for value, _ in answers.values.values()) == [False, True]


@pytest.mark.parametrize("value", [b"", b"[", b"7", b"[2,0,{}]", b'[1,"x",{}]', b"[1,0,[]]", b"[1,0]", b"\xff"])
async def test_a_value_of_another_form_is_as_good_as_none(answers: Answers, value: bytes) -> None:
    await worker(answers, ScriptedSource({"u1": ROW})).fetch(["u1"])
    (key,) = answers.values
    answers.values[key] = (value, 1_000_000)
    place = ScriptedSource({"u1": ROW})

    assert await worker(answers, place).fetch(["u1"]) == {"u1": FRESH}
    assert place.calls == [["u1"]]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"name": "person"}, True),
        ({"breaker": Breaker()}, True),
        ({"cache": replace(CACHE, shared_ttl_ms=1)}, True),
        ({"fields": ("plan",)}, False),
        ({"chain": (SourceSpec("scripted", {"at": "b"}),)}, False),
        ({"chain": (SourceSpec("other", {"at": "a"}),)}, False),
        ({"chain": (*SOURCE.chain, SourceSpec("other", {}))}, False),
    ],
)
def test_a_source_that_may_answer_otherwise_has_another_fingerprint(changed: dict[str, Any], same: bool) -> None:
    assert (fingerprint(replace(SOURCE, **changed)) == fingerprint(SOURCE)) is same


async def test_a_key_that_is_no_whole_text_is_shared_as_any_other(answers: Answers) -> None:
    await worker(answers, ScriptedSource({"\ud800": ROW})).fetch(["\ud800"])

    assert await worker(answers, ScriptedSource()).fetch(["\ud800"]) == {"\ud800": FRESH}
