"""Connections go to the worker that has fewest and takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from socket import create_connection, create_server, recv_fds, socket, socketpair

import pytest

from engine.testing import ManualClock
from engine.workers.sharing import ENDED, TAKEN, ConnectionSharing, Desk


class Hand:
    """A worker's side of a desk."""

    def __init__(self, clock: ManualClock) -> None:
        ours, self.end = socketpair()
        self.end.settimeout(10)
        self.desk = Desk(ours, clock)
        self.taken: list[socket] = []

    async def take(self, stack: ExitStack) -> None:
        """Take one connection, and say so."""
        _, (file,), _, _ = await asyncio.to_thread(recv_fds, self.end, 1, 1)
        self.taken.append(stack.enter_context(socket(fileno=file)))
        self.end.send(TAKEN)


class Shop:
    """A listening socket, two workers, and clients."""

    def __init__(self, stack: ExitStack) -> None:
        self.clock = ManualClock()
        self.hands = [Hand(self.clock) for _ in range(2)]
        self.listening = create_server(("127.0.0.1", 0))
        self.sharing = ConnectionSharing(self.listening)
        self.stack = stack

    def connect(self) -> socket:
        return self.stack.enter_context(create_connection(self.listening.getsockname()))

    async def opened(self, *counts: int) -> None:
        """Return when the workers are known to have so many connections."""
        async with asyncio.timeout(10):
            while [hand.desk.open for hand in self.hands] != list(counts):  # noqa: ASYNC110 - a socket sets it
                await asyncio.sleep(0)

    def close(self) -> None:
        self.sharing.close()
        for hand in self.hands:
            hand.desk.close()
            hand.end.close()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    with ExitStack() as stack:
        made = Shop(stack)
        yield made
        made.close()


async def test_each_connection_goes_to_the_worker_with_fewest_and_works_there(shop: Shop) -> None:
    for hand in shop.hands:
        shop.sharing.add(hand.desk)
    clients = [shop.connect() for _ in range(4)]
    await shop.opened(2, 2)

    for hand in shop.hands:
        await hand.take(shop.stack)
        hand.taken[0].sendall(b"hello")
    assert sorted(client.recv(5) for client in clients[:2]) == [b"hello", b"hello"]


async def test_a_worker_whose_connections_have_ended_gets_the_next(shop: Shop) -> None:
    for hand in shop.hands:
        shop.sharing.add(hand.desk)
    for _ in range(4):
        shop.connect()
    await shop.opened(2, 2)

    shop.hands[1].end.send(TAKEN + TAKEN + ENDED + ENDED)
    await shop.opened(2, 0)
    for _ in range(2):
        shop.connect()

    await shop.opened(2, 2)


async def test_a_worker_that_leaves_a_connection_waiting_comes_after_all_others(shop: Shop) -> None:
    shop.sharing.add(shop.hands[0].desk)
    shop.connect()
    await shop.opened(1, 0)
    shop.sharing.add(shop.hands[1].desk)
    shop.hands[1].end.send(TAKEN)
    shop.clock.advance(1_001)

    for count in (1, 2, 3):
        shop.connect()
        await shop.opened(1, count)
        await shop.hands[1].take(shop.stack)
        await asyncio.sleep(0)

    shop.hands[0].end.send(TAKEN)
    for _ in range(2):
        shop.connect()
    await shop.opened(3, 3)


async def test_without_a_worker_connections_wait_until_there_is_one(shop: Shop) -> None:
    shop.sharing.add(shop.hands[0].desk)
    shop.sharing.remove(shop.hands[0].desk)
    for _ in range(3):
        shop.connect()
    await shop.opened(0, 0)

    shop.sharing.add(shop.hands[1].desk)

    await shop.opened(0, 3)


async def test_a_worker_that_is_gone_gets_nothing(shop: Shop) -> None:
    for hand in shop.hands:
        shop.sharing.add(hand.desk)
    shop.hands[0].end.close()
    for _ in range(3):
        shop.connect()

    await shop.opened(0, 3)
