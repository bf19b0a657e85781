"""The windows of a key, asked for over HTTP while the engine counts."""

import pytest

from engine.errors import StoreUnavailable
from engine.event import Event, Submission
from engine.rules.times import format_time
from tests.unit.operations.engines import HOUR_MS, NOW_MS, Engine, answer

MINUTE_MS = 60_000


def starts(windows: list[dict[str, object]]) -> list[object]:
    return [window["start"] for window in windows]


async def test_a_key_has_its_windows_the_newest_first(engine: Engine) -> None:
    await engine.post(answer(points=2), answer(points=3), answer(at_ms=NOW_MS - 2 * HOUR_MS), answer("u2"))

    answered = await engine.get("/processor/aggregation", aggregator="by_user", key="user:u1")

    assert answered.json() == {
        "aggregator": "by_user",
        "key": "user:u1",
        "windows": [
            {
                "start": "2026-03-02T09:00:00.000Z",
                "end": "2026-03-02T10:00:00.000Z",
                "final": False,
                "values": {"answers": 2, "points": 5},
            },
            {
                "start": "2026-03-02T07:00:00.000Z",
                "end": "2026-03-02T08:00:00.000Z",
                "final": False,
                "values": {"answers": 1, "points": 1},
            },
        ],
    }


async def test_a_key_that_was_never_seen_has_no_windows(engine: Engine) -> None:
    assert await engine.windows("by_user", "user:nobody") == []


async def test_a_window_is_final_when_event_time_has_passed_its_end_and_the_lateness(engine: Engine) -> None:
    async def final_after(time_ms: int) -> bool:
        await engine.post(answer("somebody", at_ms=time_ms))
        await engine.post(answer("somebody", at_ms=time_ms))  # with this one committed, the time before it counts
        ((final,),) = [[window["final"] for window in await engine.windows("by_user", "user:u1")]]
        return bool(final)

    await engine.post(answer(at_ms=NOW_MS))

    assert not await final_after(NOW_MS + HOUR_MS + 30 * MINUTE_MS - 1)
    assert await final_after(NOW_MS + HOUR_MS + 30 * MINUTE_MS)


async def test_no_window_is_final_while_events_wait_to_be_counted(engine: Engine) -> None:
    for time_ms in (NOW_MS, NOW_MS + 3 * HOUR_MS, NOW_MS + 3 * HOUR_MS):
        await engine.post(answer(at_ms=time_ms))
    deferred = engine.processor.stages.deferred
    assert [window["final"] for window in await engine.windows("by_user", "user:u1")] == [False, True]

    deferred.resting = True
    submission = Submission([b"{}"], input_name="test", received_ms=0, size_bytes=2, done=lambda _: None)
    deferred.add([Event({}, None, "answer", 0, None, None, 0, 0, submission, 0)], None)

    assert [window["final"] for window in await engine.windows("by_user", "user:u1")] == [False, False]


async def test_a_range_takes_windows_that_begin_in_it(engine: Engine) -> None:
    await engine.post(*(answer(at_ms=NOW_MS - hours * HOUR_MS) for hours in range(6)))

    by_ms = await engine.windows("by_user", "user:u1", **{"from": str(NOW_MS - 3 * HOUR_MS), "to": str(NOW_MS - HOUR_MS)})
    by_text = await engine.windows("by_user", "user:u1", **{"from": "2026-03-02T06:00:00Z", "to": "2026-03-02T09:00:00+01:00"})
    newest = await engine.windows("by_user", "user:u1", limit="2")

    assert starts(by_ms) == ["2026-03-02T07:00:00.000Z", "2026-03-02T06:00:00.000Z"]
    assert by_text == by_ms
    assert starts(newest) == ["2026-03-02T09:00:00.000Z", "2026-03-02T08:00:00.000Z"]


async def test_hopping_windows_overlap_and_are_whole_at_the_ends_of_a_range(engine: Engine) -> None:
    times_ms = [NOW_MS - 70 * MINUTE_MS, NOW_MS - 20 * MINUTE_MS, NOW_MS - 20 * MINUTE_MS, NOW_MS]
    await engine.post(*(answer(at_ms=time_ms) for time_ms in times_ms))

    def expected(start_ms: int) -> int:
        return sum(start_ms <= time_ms < start_ms + HOUR_MS for time_ms in times_ms)

    first_ms = NOW_MS - 2 * HOUR_MS
    wanted = [(start_ms, expected(start_ms)) for start_ms in range(NOW_MS, first_ms - 1, -15 * MINUTE_MS) if expected(start_ms)]

    everything = await engine.windows("all")
    part = await engine.windows("all", **{"from": str(NOW_MS - HOUR_MS), "to": str(NOW_MS - 30 * MINUTE_MS)})
    newest = await engine.windows("all", limit="3")

    assert [(window["start"], window["values"]["answers"]) for window in everything] == [
        (format_time(start_ms), answers) for start_ms, answers in wanted
    ]
    assert part == [
        window for window in everything if window["start"] in ("2026-03-02T08:15:00.000Z", "2026-03-02T08:00:00.000Z")
    ]
    assert newest == everything[:3]


async def test_an_aggregation_without_a_key_takes_none(engine: Engine) -> None:
    await engine.post(answer())

    assert (await engine.get("/processor/aggregation", aggregator="all")).json()["key"] == ""
    refused = await engine.get("/processor/aggregation", aggregator="all", key="user:u1")
    assert refused.status_code == 400
    assert "leave it out" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("user", "item", "key"),
    [
        ("u1", "i1", "user:u1,item:i1"),
        ("a,b", "50%", "user:a%2Cb,item:50%25"),
        ("a,b", "50%", "user:a%2Cb,item:50%"),
        ("a:b", "", "user:a:b,item:"),
        ("a%2Cb", "x", "user:a%252Cb,item:x"),
    ],
)
async def test_a_key_of_several_parts_is_asked_for_as_it_is_shown(engine: Engine, user: str, item: str, key: str) -> None:
    await engine.post(answer(user, item=item), answer("other", item="other"))

    assert [window["values"] for window in await engine.windows("by_user_and_item", key)] == [{"answers": 1}]


async def test_a_comma_in_a_key_of_one_part_needs_no_code(engine: Engine) -> None:
    await engine.post(answer("a,b"))

    assert len(await engine.windows("by_user", "user:a,b")) == 1
    assert len(await engine.windows("by_user", "user:a%2Cb")) == 1


async def test_a_key_of_one_part_may_be_its_value_alone(engine: Engine) -> None:
    await engine.post(answer("a,b"))

    bare = await engine.get("/processor/aggregation", aggregator="by_user", key="a,b")

    assert bare.json() == (await engine.get("/processor/aggregation", aggregator="by_user", key="user:a,b")).json()
    assert (bare.json()["key"], len(bare.json()["windows"])) == ("user:a%2Cb", 1)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"key": "user:u1"}, "`aggregator` is missing"),
        ({"aggregator": "by_user", "key": "item:u1"}, "`key` is `item:u1`; expected `user:VALUE`"),
        ({"aggregator": "by_user_and_item", "key": "u1"}, "expected `user:VALUE,item:VALUE`"),
        ({"aggregator": "by_user"}, "`key` is missing; expected `user:VALUE`"),
        ({"aggregator": "by_user", "key": ""}, "`key` is missing; expected `user:VALUE`"),
        ({"aggregator": "by_user_and_item", "key": "user:u1"}, "expected `user:VALUE,item:VALUE`"),
        ({"aggregator": "by_user_and_item", "key": "item:i1,user:u1"}, "expected `user:VALUE,item:VALUE`"),
        ({"aggregator": "by_user", "key": "user:u1", "from": "yesterday"}, "`from` is `yesterday`"),
        ({"aggregator": "by_user", "key": "user:u1", "to": "2026-03-02T09:00:00 01:00"}, "`%2B`"),
        ({"aggregator": "by_user", "key": "user:u1", "from": "5", "to": "5"}, "not before `to`"),
        ({"aggregator": "by_user", "key": "user:u1", "from": ""}, "`from` is"),
        ({"aggregator": "by_user", "key": "user:u1", "limit": "0"}, "from 1 to 1000"),
        ({"aggregator": "by_user", "key": "user:u1", "limit": "1001"}, "from 1 to 1000"),
        ({"aggregator": "by_user", "key": "user:u1", "limit": "many"}, "from 1 to 1000"),
        ({"aggregator": "by_user", "keys": "user:u1"}, "did you mean `key`?"),
    ],
)
async def test_a_question_that_is_not_understood_is_refused_with_what_is_expected(
    engine: Engine, parameters: dict[str, str], words: str
) -> None:
    refused = await engine.get("/processor/aggregation", **parameters)

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_query")
    assert words in refused.json()["detail"]


async def test_a_parameter_given_twice_is_refused(engine: Engine) -> None:
    refused = await engine.get("/processor/aggregation?aggregator=by_user&key=user:u1&key=user:u2")

    assert refused.status_code == 400
    assert "given twice" in refused.json()["detail"]


async def test_an_unknown_aggregation_is_not_found_and_the_likely_one_named(engine: Engine) -> None:
    refused = await engine.get("/processor/aggregation", aggregator="by_usr", key="user:u1")

    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_aggregation")
    assert "did you mean `by_user`?" in refused.json()["detail"]


async def test_a_store_that_is_down_is_told_and_can_be_asked_again(engine: Engine) -> None:
    await engine.post(answer())
    engine.store.away = StoreUnavailable("disk on fire")

    refused = await engine.get("/processor/aggregation", aggregator="by_user", key="user:u1")

    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert "Retry-After" in refused.headers
    assert "disk on fire" in refused.json()["detail"]
    engine.store.away = None
    assert len(await engine.windows("by_user", "user:u1")) == 1


async def test_sums_beyond_64_bits_are_shown_to_the_last_digit(engine: Engine) -> None:
    await engine.post(*(answer(points=2**63 + 1) for _ in range(3)))

    (window,) = await engine.windows("by_user", "user:u1")

    assert window["values"]["points"] == 3 * (2**63 + 1)
