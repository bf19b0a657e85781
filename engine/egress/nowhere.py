"""No output at all: for trials, where only the counts are wanted."""

import asyncio
from collections.abc import Awaitable, Sequence

from engine.event import DeadLetter, Record, Refusal


class Nowhere:
    """An egress and a dead-letter output that keep nothing."""

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:  # noqa: ARG002 - nothing is done with them
        """See Egress."""
        done: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()
        done.set_result([])
        return done

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """See DeadLetters."""

    async def purge(self) -> None:
        """See Egress."""

    async def close(self) -> None:
        """See Egress."""
