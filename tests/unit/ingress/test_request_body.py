"""Compressed bodies and the bounds on what is read: nothing is kept beyond them, and what is broken is told so."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ingress.http import create_app
from engine.ingress.inflate import PIECE_BYTES, Inflater
from engine.ports import RequestLimits
from tests.unit.ingress.samples import note
from tests.unit.ingress.services import MAX_BODY_BYTES, DecodingService, problem_of

GZIP = {"content-encoding": "gzip"}
EVENT = orjson.dumps(note(text="x" * 200))
PACKED = gzip.compress(EVENT, mtime=0)  # without the time: the names of tests are the same in every process


def unpacked(encoding: str, chunks: list[bytes]) -> bytes:
    inflater = Inflater(encoding)
    pieces = [piece for chunk in chunks for piece in inflater.feed(chunk)]
    inflater.finish()
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip ", "deflate", "identity", ""])
async def test_a_body_may_be_compressed(client: httpx.AsyncClient, service: DecodingService, encoding: str) -> None:
    body = {"deflate": zlib.compress(EVENT), "identity": EVENT, "": EVENT}.get(encoding, PACKED)
    response = await client.post("/events", content=body, headers={"content-encoding": encoding})
    assert response.status_code == 202
    assert service.submissions[0].items == (EVENT,)


async def test_lines_in_several_members_with_padding_are_one_body(client: httpx.AsyncClient) -> None:
    body = gzip.compress(EVENT + b"\n") + gzip.compress(b"") + gzip.compress(EVENT) + b"\0" * 100
    response = await client.post("/events", content=body, headers={**GZIP, "content-type": "application/x-ndjson"})
    assert response.json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (PACKED[:-1], "cut short"),
        (PACKED[: len(PACKED) // 2], "cut short"),
        (PACKED[:5], "cut short"),
        (b"", "cut short"),
        (EVENT, "incorrect header check"),
        (PACKED[:12] + bytes([PACKED[12] ^ 255]) + PACKED[13:], "cannot be unpacked"),
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "incorrect data check"),
        (PACKED + b"garbage", "incorrect header check"),
        (PACKED + PACKED[:9], "cut short"),
        (zlib.compress(EVENT), "incorrect header check"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_refused_and_nothing_of_it_taken(
    client: httpx.AsyncClient, service: DecodingService, body: bytes, words: str
) -> None:
    response = await client.post("/events", content=body, headers=GZIP)
    assert problem_of(response) == (400, "bad_compression")
    assert words in response.json()["detail"]
    assert service.submissions == []


async def test_deflate_with_something_behind_it_is_refused(client: httpx.AsyncClient) -> None:
    body = zlib.compress(EVENT) + b"{}"
    response = await client.post("/events", content=body, headers={"content-encoding": "deflate"})
    assert problem_of(response) == (400, "bad_compression")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip;q=1", "x" * 999])
async def test_another_encoding_is_refused_with_those_that_are_taken(client: httpx.AsyncClient, encoding: str) -> None:
    response = await client.post("/events", content=PACKED, headers={"content-encoding": encoding})
    assert problem_of(response) == (415, "unsupported_content_encoding")
    assert response.headers["accept-encoding"] == "gzip, deflate"


@given(st.binary(max_size=200), st.integers(0, 3), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 2_000))
def test_what_was_packed_comes_out_however_it_is_cut(data: bytes, members: int, cuts: list[int], times: int) -> None:
    packed = gzip.compress(data * times, mtime=0) * (members + 1)
    places = sorted({0, len(packed), *(cut % (len(packed) + 1) for cut in cuts)})
    chunks = [packed[begin:end] for begin, end in pairwise(places)]
    assert unpacked("gzip", chunks) == data * times * (members + 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate", "br"]))
async def test_no_bytes_are_a_fault_of_ours(client: httpx.AsyncClient, body: bytes, encoding: str) -> None:
    for content in (body, PACKED[:20] + body, PACKED + body):
        response = await client.post("/events", content=content, headers={"content-encoding": encoding})
        assert response.status_code in (202, 400, 415)


async def test_a_bomb_is_refused_as_soon_as_it_is_too_large_and_costs_no_memory(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * (100 << 20), 9)
    assert len(bomb) > MAX_BODY_BYTES
    bombs = [bomb[: MAX_BODY_BYTES - 10], gzip.compress(b" " * (MAX_BODY_BYTES + 1))]
    tracemalloc.start()
    try:
        for body in bombs:
            assert problem_of(await client.post("/events", content=body, headers=GZIP)) == (413, "body_too_large")
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_BODY_BYTES
    finally:
        tracemalloc.stop()


async def test_a_compressed_body_is_held_to_the_limit_as_it_is_sent_too(client: httpx.AsyncClient) -> None:
    async def empty_members() -> AsyncIterator[bytes]:
        while True:
            yield gzip.compress(b"", mtime=0) * 100

    assert problem_of(await client.post("/events", content=empty_members(), headers=GZIP)) == (413, "body_too_large")


async def test_others_have_their_turn_while_a_large_body_is_unpacked(client: httpx.AsyncClient, service: DecodingService) -> None:
    service.limits = RequestLimits(max_body_bytes=32 << 20, max_events=50)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await client.post("/events", content=gzip.compress(b" " * (30 << 20)), headers=GZIP)
    counting.cancel()
    assert turns > 20


async def test_bodies_that_are_too_much_together_are_told_to_come_again_and_leave_room(service: DecodingService) -> None:
    service.limits = RequestLimits(max_body_bytes=1_000, max_events=50, max_bodies_bytes=1_500)
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(size: int) -> AsyncIterator[bytes]:
        yield b" " * (size - len(EVENT))
        started.set()
        await go_on.wait()
        yield EVENT

    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        first = asyncio.create_task(client.post("/events", content=slow(1_000)))
        await started.wait()
        refused = await client.post("/events", content=b" " * 760)
        assert problem_of(refused) == (503, "too_many_bodies")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.post("/events", content=EVENT)).status_code == 202
        go_on.set()
        assert (await first).status_code == 202
        assert (await client.post("/events", content=b" " * 700 + EVENT)).status_code == 202
