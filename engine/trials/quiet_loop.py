"""An event loop that knows when nobody has anything left to do.

Rule of the file: that is so when the loop would wait for the outside. In a trial nothing comes from there, so what happens next is up to
whoever holds the clock.
"""

import asyncio
import selectors


class QuietLoop(asyncio.SelectorEventLoop):
    """A loop for work that neither waits for files, threads and sockets nor for the machine's time."""

    def __init__(self) -> None:
        self._watched = _WatchedSelector()
        super().__init__(self._watched)

    async def quiet(self) -> None:
        """Return when every other task waits."""
        reached: asyncio.Future[None] = self.create_future()
        self._watched.waiting.append(reached)
        await reached


class _WatchedSelector(selectors.DefaultSelector):
    """Tells those who wait for quiet, instead of blocking."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See selectors. A loop that has something ready asks with a timeout of 0."""
        if not self.waiting or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        for reached in self.waiting:
            if not reached.done():
                reached.set_result(None)
        self.waiting.clear()
        return super().select(0)
