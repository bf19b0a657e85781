"""Questions between two processes are answered, or it is said why not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socketpair

import pytest

from engine.errors import StoreUnavailable
from engine.event import JsonObject
from engine.workers.channel import Channel, Handler, NoAnswer

TIMEOUT_MS = 10_000


@asynccontextmanager
async def channels(**handlers: Handler) -> AsyncIterator[tuple[Channel, Channel]]:
    """Whoever asks, and whoever answers."""
    one, other = socketpair()
    asking, answering = await Channel.over(one, {}), await Channel.over(other, handlers)
    serving = [asyncio.create_task(channel.serve()) for channel in (asking, answering)]
    yield asking, answering
    for channel in (asking, answering):
        channel.close()
    await asyncio.gather(*serving)


async def echo(content: JsonObject) -> JsonObject:
    return {"said": content}


async def never(_: JsonObject) -> JsonObject:
    await asyncio.get_running_loop().create_future()
    return {}


async def test_a_question_is_answered_however_large_it_is() -> None:
    content: JsonObject = {"text": "ü" * 1_000_000}
    async with channels(echo=echo) as (asking, _):
        assert await asking.ask("echo", content, timeout_ms=TIMEOUT_MS) == {"said": content}


async def test_answers_find_whoever_asked_whichever_is_ready_first() -> None:
    first_may_go = asyncio.Event()

    async def slow(_: JsonObject) -> JsonObject:
        await first_may_go.wait()
        return {"was": "slow"}

    async with channels(echo=echo, slow=slow) as (asking, _):
        waiting = asyncio.create_task(asking.ask("slow", timeout_ms=TIMEOUT_MS))
        assert await asking.ask("echo", {"n": 1}, timeout_ms=TIMEOUT_MS) == {"said": {"n": 1}}
        first_may_go.set()
        assert await waiting == {"was": "slow"}


async def test_a_question_that_is_not_answered_in_time_is_told_so_and_the_next_is_answered() -> None:
    async with channels(never=never, echo=echo) as (asking, _):
        with pytest.raises(NoAnswer, match="no answer within 1 ms"):
            await asking.ask("never", timeout_ms=1)
        assert await asking.ask("echo", timeout_ms=TIMEOUT_MS) == {"said": {}}


async def test_whoever_waits_is_told_when_the_other_process_ends_and_so_is_whoever_asks_later() -> None:
    async with channels(never=never) as (asking, answering):
        waiting = asyncio.create_task(asking.ask("never", timeout_ms=TIMEOUT_MS))
        await asyncio.sleep(0)
        answering.close()

        with pytest.raises(NoAnswer, match="has ended"):
            await waiting
        with pytest.raises(NoAnswer, match="is gone"):
            await asking.ask("never", timeout_ms=TIMEOUT_MS)


async def test_what_goes_wrong_with_an_answer_is_told_and_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(_: JsonObject) -> JsonObject:
        raise StoreUnavailable("the disk is full")

    async def fail(_: JsonObject) -> JsonObject:
        raise ZeroDivisionError("secret")

    async with channels(refuse=refuse, fail=fail, echo=echo) as (asking, _):
        with pytest.raises(NoAnswer, match="the disk is full"):
            await asking.ask("refuse", timeout_ms=TIMEOUT_MS)
        with pytest.raises(NoAnswer, match="ZeroDivisionError") as told:
            await asking.ask("fail", timeout_ms=TIMEOUT_MS)
        with pytest.raises(NoAnswer, match="KeyError"):
            await asking.ask("unknown", timeout_ms=TIMEOUT_MS)
        assert await asking.ask("echo", timeout_ms=TIMEOUT_MS) == {"said": {}}

    assert "secret" not in str(told.value)
    assert "secret" in caplog.text
