"""The real clock. Nothing else in the engine may ask the system for the time."""

import asyncio
import time


class SystemClock:
    """Wall and monotonic time of this machine."""

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary start."""
        return time.monotonic_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start, for measuring how long something took."""
        return time.monotonic_ns()

    async def sleep(self, delay_ms: int) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(delay_ms / 1000)


def thread_busy_ns() -> int:
    """Nanoseconds that the calling thread has spent computing since an arbitrary start."""
    return time.thread_time_ns()
