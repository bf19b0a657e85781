"""Feeding a file to a processor: as fast as it takes events, and again what it asks to be sent again.

In: lines. Out: submissions. Rule of the file: memory is bounded by the inbox and by what is in flight, whatever the
size of the input.
"""

import asyncio
import sys
from collections import deque
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Never

from tqdm import tqdm

from engine.event import REJECTED, RETRY, DeadLetter, Submission
from engine.pipeline.processor import Processor
from engine.ports import DeadLetters

LINES = 500
"""So many are read, and submitted, at once."""
_READ_BYTES = 1 << 20


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

    async def run(self) -> None:
        """Return when every event of the input has its final outcome. Raises OSError where it cannot be read."""
        with self._open() as file, self._progress() as progress:
            for lines in iter(lambda: list(islice(file, LINES)), []):
                items = [line for line in lines if not line.isspace()]
                self.lines += len(items)
                await self._submit(items)
                progress.update(sum(map(len, lines)))
            self._processor.end_input()
            while self._pending:
                await self._wait()

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

    def _open(self) -> BinaryIO:
        return sys.stdin.buffer if self._source == "-" else Path(self._source).open("rb", buffering=_READ_BYTES)

    def _progress(self) -> "tqdm[Never]":
        total = None if self._source == "-" else Path(self._source).stat().st_size
        return tqdm(total=total, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False)
