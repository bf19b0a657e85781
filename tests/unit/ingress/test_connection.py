"""The server over real sockets: slow, large, broken and too many clients are answered within bounds, the others as ever."""

import asyncio
import socket

import orjson
import pytest

from engine.ingress.connection import SPARE_CONNECTIONS
from engine.ingress.server import address_of, listen
from tests.unit.ingress.samples import note
from tests.unit.ingress.sockets import PATIENCE_S, serving

EVENT = orjson.dumps(note())
POST = b"POST /events HTTP/1.1\r\nhost: e\r\ncontent-length: %d\r\n\r\n" % len(EVENT) + EVENT
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: e\r\n\r\n"


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with serving() as server:
        connection = await server.connect()
        connection.send(POST + POST)
        first, second = await connection.answer(), await connection.answer()
        connection.send(HEALTH)
        assert [first.status, second.status, (await connection.answer()).status] == [202, 202, 200]
        assert "server" not in first.headers


async def test_a_head_that_never_ends_in_time_is_told_so_and_closed() -> None:
    async with serving(read_timeout="200ms") as server:
        connection = await server.connect()
        connection.send(b"POST /events HTTP/1.1\r\nhost: ")
        answer = await connection.answer()
        assert answer.problem == (408, "too_slow")
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()


async def test_a_head_that_comes_drop_by_drop_has_no_more_time_than_another() -> None:
    async with serving(read_timeout="300ms") as server:
        connection = await server.connect()

        async def drip() -> None:
            while True:
                connection.send(b"\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert (await connection.answer()).problem == (408, "too_slow")
        dripping.cancel()


async def test_a_body_that_never_ends_in_time_is_told_so_and_nothing_of_it_taken() -> None:
    async with serving(read_timeout="200ms") as server:
        connection = await server.connect()
        connection.send(POST[:-1])
        assert (await connection.answer()).problem == (408, "too_slow")
        assert await connection.is_closed()
        assert server.service.submissions == []


async def test_time_that_the_engine_takes_is_not_the_clients() -> None:
    async with serving(read_timeout="100ms", keep_alive="100ms") as server:
        server.service.held = asyncio.Queue()
        connection = await server.connect()
        connection.send(POST + POST[:-1])
        event = await server.next_event()
        await asyncio.sleep(0.3)
        server.service.end([event])
        assert (await connection.answer()).status == 202
        connection.send(POST[-1:])
        server.service.end([await server.next_event()])
        assert (await connection.answer()).status == 202


async def test_a_connection_without_requests_is_closed_after_its_time() -> None:
    async with serving(keep_alive="100ms") as server:
        fresh, used = await server.connect(), await server.connect()
        used.send(HEALTH)
        await used.answer()
        assert await fresh.is_closed()
        assert await used.is_closed()


async def test_a_connection_whose_request_was_answered_before_its_body_had_come_is_closed_after_its_time() -> None:
    async with serving(keep_alive="100ms") as server:
        connection = await server.connect()
        connection.send(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n" + b" " * 10)
        assert (await connection.answer()).status == 404
        connection.send(b" " * 10)
        assert await connection.is_closed()


@pytest.mark.parametrize("pieces", [1, 50])
async def test_a_head_is_as_large_as_it_may_be_and_no_larger(pieces: int) -> None:
    async with serving(max_head="4KiB") as server:
        for size, expected in ((3_900, 200), (4_200, 431), (300_000, 431)):
            connection = await server.connect()
            head = HEALTH[:-2] + b"x: " + b"y" * (size - len(HEALTH) - 5) + b"\r\n\r\n"
            for at in range(0, len(head), len(head) // pieces + 1):
                connection.send(head[at : at + len(head) // pieces + 1])
                await asyncio.sleep(0)
            answer = await connection.answer()
            assert answer.status == expected
            if expected == 431:
                assert answer.problem == (431, "head_too_large")
                assert await connection.is_closed()


@pytest.mark.parametrize("sent", [POST[:-1], POST[:20], POST + POST[:-1]])
async def test_a_request_that_ends_early_is_told_so(sent: bytes) -> None:
    async with serving() as server:
        connection = await server.connect()
        connection.send(sent)
        connection.send_no_more()
        if len(sent) > len(POST):
            assert (await connection.answer()).status == 202
        assert (await connection.answer()).problem == (400, "incomplete_body")
        assert await connection.is_closed()
        assert len(server.service.submissions) == len(sent) // len(POST)


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate,chunked"])
async def test_a_transfer_encoding_that_is_not_taken_is_told_so(coding: str) -> None:
    async with serving() as server:
        head = f"POST /events HTTP/1.1\r\nhost: e\r\ntransfer-encoding: {coding}\r\n\r\n".encode()
        answer = await server.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT))
        assert answer.problem == (501, "unsupported_transfer_encoding")
        assert server.service.submissions == []


async def test_trailers_without_end_are_bounded_too() -> None:
    async with serving(max_head="4KiB") as server:
        connection = await server.connect()
        connection.send(b"POST /events HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: ")
        for _ in range(20):
            connection.send(b"y" * 1_000)
            await asyncio.sleep(0.001)
        assert (await connection.answer()).problem == (431, "head_too_large")
        assert server.service.submissions == []


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00" * 9, b"GET / HTTP/9\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"],
)
async def test_what_is_no_http_is_a_problem(data: bytes) -> None:
    async with serving() as server:
        assert (await server.ask(data)).problem == (400, "not_http")


async def test_a_request_before_what_is_no_http_gets_its_own_answer() -> None:
    async with serving() as server:
        server.service.held = asyncio.Queue()
        connection = await server.connect()
        connection.send(POST + b"\x00\x01\x02 nonsense\r\n\r\n")
        server.service.end([await server.next_event()])
        assert (await connection.answer()).status == 202
        assert await connection.is_closed()


OFFER = b"\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 7])
async def test_an_offer_of_another_protocol_is_passed_over_and_the_body_is_not_lost(pieces: int) -> None:
    async with serving() as server:
        connection = await server.connect()
        data = POST.replace(b"\r\n\r\n", OFFER) + HEALTH.replace(b"\r\n\r\n", OFFER) + POST
        for at in range(0, len(data), len(data) // pieces):
            connection.send(data[at : at + len(data) // pieces])
            await asyncio.sleep(0.001)
        assert [(await connection.answer()).status for _ in range(3)] == [202, 200, 202]


async def test_a_tunnel_is_not_opened() -> None:
    async with serving() as server:
        assert (await server.ask(b"CONNECT e:443 HTTP/1.1\r\nhost: e:443\r\n\r\n")).problem == (400, "not_http")


async def test_an_answer_that_comes_before_the_body_is_all_there_is_read_by_a_client_that_sends_on() -> None:
    async with serving(max_body="100KiB", read_timeout="1s") as server:
        connection = await server.connect()
        connection.send(b"POST /events HTTP/1.1\r\nhost: e\r\ncontent-length: 10000000\r\n\r\n" + b" " * 300_000)
        assert (await connection.answer()).problem == (413, "body_too_large")
        connection.send(b" " * 9_700_000)
        connection.send(HEALTH)
        assert (await connection.answer()).status == 200


async def test_more_connections_than_may_be_are_told_to_come_again_and_health_is_still_answered() -> None:
    async with serving(max_connections=20, keep_alive="1h") as server:
        held = [await server.connect() for _ in range(20)]
        for connection in held:
            connection.send(HEALTH)
        assert [(await connection.answer()).status for connection in held] == [200] * 20

        refused = await server.ask(POST)
        assert refused.problem == (503, "too_many_connections")
        assert int(refused.headers["retry-after"]) >= 1
        health = await server.connect()
        health.send(HEALTH)
        assert (await health.answer()).status == 200
        assert await health.is_closed()

        held[0].send(POST)
        assert (await held[0].answer()).status == 202
        held[0].writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while (await server.ask(POST)).status != 202:  # noqa: ASYNC110 - only the server knows when it is done
                await asyncio.sleep(0.01)


async def test_two_thousand_clients_at_once_are_all_answered() -> None:
    async with serving(max_connections=500) as server:

        async def one() -> tuple[int, object]:
            answer = await server.ask(POST)
            return (202, None) if answer.status == 202 else answer.problem

        answers = await asyncio.gather(*(one() for _ in range(2_000)))
    assert set(answers) == {(202, None), (503, "too_many_connections")}
    assert answers.count((202, None)) >= 500
    assert len(server.service.submissions) == answers.count((202, None))


async def test_idle_clients_beyond_the_bound_do_not_keep_others_out() -> None:
    async with serving(max_connections=5) as server:
        idle = [await server.connect() for _ in range(5 + SPARE_CONNECTIONS + 20)]
        for connection in idle[5:]:
            assert (await connection.answer()).problem == (503, "too_many_connections")
        assert (await server.ask(HEALTH)).status == 200


def test_addresses_of_both_kinds_are_listened_to_and_written_as_urls() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"
    if socket.has_ipv6:
        with listen("::1", 0) as listening:
            assert address_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"
