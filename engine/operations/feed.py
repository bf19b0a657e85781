"""Feeding a file to a processor: as fast as it takes events, and again what it asks to be sent again.

In: lines. Out: submissions. Rule of the file: memory is bounded by the inbox and by what is in flight, whatever the
size of the input.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Never

from tqdm import tqdm

from engine.errors import QuestionInvalid
from engine.event import REJECTED, RETRY, DeadLetter, Submission
from engine.operations.lines import Lines
from engine.pipeline.processor import Processor
from engine.ports import DeadLetters


class Feed:
    """Reads `source`, a path or `-`, into a processor. Lines that are rejected become dead letters, those that are not yet."""

    def __init__(self, processor: Processor, dead_letters: DeadLetters, source: str, ruleset: str) -> None:
        self.lines = 0
        self.dead_letters = 0
        self._processor = processor
        self._dead_letters = dead_letters
        self._source = source
        self._ruleset = ruleset
        self._done: deque[Submission] = deque()
        self._pending = 0
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Read no more, as if the input had ended here."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop: there may be more of the input."""
        return self._stopped.is_set()

    async def run(self) -> None:
        """Return when every event of the input has its final outcome, or every one that was read before a `stop`.

        Raises OSError where the input cannot be read, and QuestionInvalid where it cannot be read to its end; then what was read has ended all the same.
        """
        fault: QuestionInvalid | None = None
        with Lines(self._source) as source, _progress(source) as progress:
            try:
                async for lines in self._blocks_of(source):
                    items = [line for line in lines if line and not line.isspace()]
                    self.lines += len(items)
                    await self._submit(items)
                    progress.update(source.position - progress.n)
            except QuestionInvalid as error:
                fault = error
            self._processor.end_input()
            while self._pending:
                await self._wait()
        if fault is not None:
            raise fault

    async def _blocks_of(self, source: Lines) -> AsyncIterator[list[bytes]]:
        """Its blocks. What comes through a pipe is waited for in a thread: what came before goes on, and a `stop` is heard.

        The thread itself is not waited for: nothing but a next block would end it.
        """
        blocks = source.blocks()
        if source.total is not None:
            for block in blocks:
                if self._stopped.is_set():
                    return
                yield block
            return
        thread, stopped = ThreadPoolExecutor(1), asyncio.create_task(self._stopped.wait())
        try:
            while not stopped.done():
                arriving = asyncio.get_running_loop().run_in_executor(thread, next, blocks, None)
                while not (arriving.done() or stopped.done()):
                    changed = asyncio.create_task(self._changed.wait())
                    await asyncio.wait((arriving, stopped, changed), return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
                    self._changed.clear()
                    await self._settle()
                arrived = arriving.result() if arriving.done() else None
                if arrived is None:
                    return
                yield arrived
        finally:
            stopped.cancel()
            thread.shutdown(wait=False)

    async def _submit(self, items: list[bytes]) -> None:
        clock = self._processor.stages.clock
        submission = Submission(
            items,
            input_name=self._source,
            received_ms=clock.now_ms(),
            size_bytes=sum(map(len, items)),
            done=self._finished,
        )
        if not items:
            return
        self._pending += 1
        while not self._processor.offer(submission):
            await self._processor.stages.intake.inbox.room.wait()
        await asyncio.sleep(0)
        await self._settle()

    def _finished(self, submission: Submission) -> None:
        self._done.append(submission)
        self._changed.set()

    async def _wait(self) -> None:
        await self._changed.wait()
        self._changed.clear()
        await self._settle()

    async def _settle(self) -> None:
        """Keep what was rejected, send again what was not answered for good."""
        while self._done:
            submission = self._done.popleft()
            self._pending -= 1
            ended = [outcome.status if outcome else RETRY for outcome in submission.outcomes]
            if REJECTED in ended:
                await self._bury(submission)
            lines = [item for item in submission.items if isinstance(item, bytes)]
            if RETRY in ended:
                await self._submit([line for line, end in zip(lines, ended, strict=True) if end == RETRY])

    async def _bury(self, submission: Submission) -> None:
        now_ms = self._processor.stages.clock.now_ms()
        items = zip(submission.items, submission.outcomes, submission.ids, strict=True)
        letters = [
            DeadLetter(
                item.rstrip(b"\r\n"), outcome.message, outcome.code, outcome.stage or "decode", self._ruleset, identity, now_ms
            )
            for index, (item, outcome, identity) in enumerate(items)
            if isinstance(item, bytes) and outcome is not None and outcome.status == REJECTED and index not in submission.kept
        ]
        self.dead_letters += len(letters)
        await self._dead_letters.put(letters)


def _progress(source: Lines) -> "tqdm[Never]":
    return tqdm(total=source.total, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False)
