"""Replay against a real HTTP server that answers what the case says: nothing is noted before it was answered for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.egress.letters import Letter, Mark
from engine.egress.replay import BATCH_BYTES, BATCH_EVENTS, Replay, ReplayStopped

Answer = Callable[[list[bytes]], web.Response]


@dataclass
class Waits:
    """A clock on which waiting takes no time."""

    waited_ms: list[int] = field(default_factory=list)

    def now_ms(self) -> int:
        return 1_772_442_000_000

    def monotonic_ms(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, delay_ms: int) -> None:
        self.waited_ms.append(delay_ms)
        await asyncio.sleep(0)


@dataclass
class Noted:
    """Notes in a list."""

    notes: list[tuple[int, str]] = field(default_factory=list)

    def add(self, letters: Iterable[tuple[Letter, str]], now_ms: int) -> None:
        assert now_ms
        self.notes += [(letter.number, status) for letter, status in letters]


@dataclass
class Bench:
    """A server that gives one answer after the other, the last one for ever, and a replay against it."""

    replay: Replay
    clock: Waits
    notes: Noted
    requests: list[list[bytes]]
    headers: list[dict[str, str]]


@asynccontextmanager
async def bench(*answers: Answer) -> AsyncIterator[Bench]:
    requests: list[list[bytes]] = []
    headers: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        assert request.query["results"] == "all"
        lines = (await request.read()).split(b"\n")
        requests.append(lines)
        headers.append(dict(request.headers))
        return answers[min(len(requests), len(answers)) - 1](lines)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/events", take)
    async with TestServer(app) as server, aiohttp.ClientSession(headers={"Authorization": "Bearer t"}) as session:
        clock, notes = Waits(), Noted()
        yield Bench(Replay(session, str(server.make_url("/events")), notes, clock), clock, notes, requests, headers)


def letters(*raws: bytes) -> list[Letter]:
    return [Letter(n, Mark(n, ""), 0, "publish", "schema", "", "", None, raw) for n, raw in enumerate(raws, 1)]


def results(*ended: tuple[str, str], status: int = 207, retry_after: str | None = None) -> Answer:
    content = [{"index": index, "status": word, "code": code} for index, (word, code) in enumerate(ended)]
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda _: web.Response(status=status, body=orjson.dumps({"results": content}), headers=headers)


def all_accepted(lines: list[bytes]) -> web.Response:
    return results(*[("accepted", "")] * len(lines), status=202)(lines)


def problem(status: int, retry_after: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda _: web.Response(status=status, body=orjson.dumps({"code": "no", "detail": "not now"}), headers=headers)


async def test_events_go_out_as_they_came_in_and_are_noted_by_how_they_ended() -> None:
    raws = (b'{"id": 1}', b'{\n "id": 2,\r\n "t": "\\n"}', b'{"n": 12345678901234567890123}', b"no JSON \xff")
    ended = (("accepted", ""), ("duplicate", ""), ("blocked", "robots"), ("rejected", "invalid_json"))
    async with bench(results(*ended)) as at:
        await at.replay.run(letters(*raws))

    assert at.requests == [[raws[0], b'{  "id": 2,\r  "t": "\\n"}', raws[2], raws[3]]]
    assert at.notes.notes == [(1, "accepted"), (2, "duplicate"), (3, "blocked")]
    assert at.replay.counts == {"accepted": 1, "duplicate": 1, "blocked": 1, "rejected": 1}
    assert at.replay.rejections == {"invalid_json": 1}
    assert at.headers[0]["Content-Type"] == "application/x-ndjson"
    assert at.headers[0]["Authorization"] == "Bearer t"


async def test_what_cannot_be_a_line_is_not_sent_and_stays() -> None:
    async with bench(all_accepted) as at:
        await at.replay.run(letters(b"no\nJSON", b'{"a": "x\ny"}', b" ", b"{}"))

    assert at.requests == [[b"{}"]]
    assert at.notes.notes == [(4, "accepted")]
    assert at.replay.rejections == {"not_json": 3}


@pytest.mark.parametrize("code", ["refused", "unencodable", "poison"])
async def test_a_rejection_that_the_service_kept_a_new_letter_of_ends_the_old_one(code: str) -> None:
    async with bench(results(("rejected", code))) as at:
        await at.replay.run(letters(b"{}"))

    assert at.notes.notes == [(1, "rejected")]


async def test_what_is_to_be_sent_again_is_and_the_rest_is_not() -> None:
    first = results(("accepted", ""), ("retry", "owner_retired"), ("rejected", "schema"), retry_after="7")
    async with bench(first, all_accepted) as at:
        await at.replay.run(letters(b"1", b"2", b"3"))

    assert at.requests == [[b"1", b"2", b"3"], [b"2"]]
    assert at.clock.waited_ms == [7_000]
    assert at.replay.counts == {"accepted": 2, "rejected": 1}


async def test_what_is_to_be_sent_again_for_ever_stays() -> None:
    async with bench(results(("retry", "store_unavailable"), status=503, retry_after="1")) as at:
        await at.replay.run(letters(b"{}"))

    assert len(at.requests) == 10
    assert at.replay.counts == {"retry": 1}
    assert at.notes.notes == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_service_without_room_is_waited_for_as_long_as_it_says(status: int) -> None:
    async with bench(problem(status, "3"), problem(status), problem(status, "100000"), all_accepted) as at:
        await at.replay.run(letters(b"{}"))

    assert at.clock.waited_ms == [3_000, 1_000, 60_000]
    assert at.replay.counts == {"accepted": 1}


@pytest.mark.parametrize("answer", [problem(429), problem(503), problem(401), problem(500), problem(302), problem(415)])
async def test_a_service_that_takes_nothing_stops_the_replay_and_nothing_is_noted(answer: Answer) -> None:
    async with bench(answer) as at:
        with pytest.raises(ReplayStopped, match="not now"):
            await at.replay.run(letters(b"{}"))

    assert at.notes.notes == []


async def test_what_was_answered_before_a_service_went_away_is_noted() -> None:
    raw = b'{"x": "' + b"y" * BATCH_BYTES + b'"}'
    async with bench(all_accepted, problem(500)) as at:
        with pytest.raises(ReplayStopped):
            await at.replay.run(letters(raw, raw))

    assert at.notes.notes == [(1, "accepted")]


async def test_a_service_that_is_not_there_stops_the_replay() -> None:
    async with aiohttp.ClientSession() as session:
        replay = Replay(session, "http://127.0.0.1:1/events", Noted(), Waits())
        with pytest.raises(ReplayStopped, match="does not answer"):
            await replay.run(letters(b"{}"))


async def test_requests_are_bounded_in_events() -> None:
    async with bench(all_accepted) as at:
        await at.replay.run(letters(*[b"{}"] * (BATCH_EVENTS + 1)))

    assert [len(lines) for lines in at.requests] == [BATCH_EVENTS, 1]
    assert at.replay.counts == {"accepted": BATCH_EVENTS + 1}


async def test_a_batch_that_is_too_large_for_the_service_is_sent_in_halves() -> None:
    def small_alone(lines: list[bytes]) -> web.Response:
        return problem(413)(lines) if len(lines) > 1 or lines == [b"3"] else all_accepted(lines)

    async with bench(small_alone) as at:
        await at.replay.run(letters(b"1", b"2", b"3"))

    assert at.replay.counts == {"accepted": 2, "rejected": 1}
    assert at.notes.notes == [(1, "accepted"), (2, "accepted")]


async def test_an_event_that_an_answer_says_nothing_of_is_sent_again() -> None:
    async with bench(results(("accepted", "")), all_accepted) as at:
        await at.replay.run(letters(b"1", b"2"))

    assert at.requests == [[b"1", b"2"], [b"2"]]
