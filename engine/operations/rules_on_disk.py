"""The rules directory while people write to it: what it holds, once it stands still.

In: a directory. Out: what became of its contents when they were compiled. Rule of the file: files are read and compiled in a thread, and
nothing is made of a file that is still being written: the contents have to be the same before, and after, they were compiled.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.ports import Clock
from engine.rules.compiler import Compiled, compile_rules
from engine.rules.snapshot import RulesUnreadable, digest_now

SETTLE_MS: Final = 100
"""How long contents have to stay the same before they are taken for complete, where nobody says that they are."""

_LOOKS: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the directory held. `mark` tells contents apart: their digest, or why there are none.

    `problem` says why nothing could be compiled; it is empty where `compiled` has the answer, a plan or findings.
    """

    mark: str
    compiled: Compiled
    problem: str = ""


class RulesOnDisk:
    """A directory that is looked at again and again. `environ` and `source_kinds` are those of `compile_rules`."""

    def __init__(
        self,
        directory: Path,
        environ: Mapping[str, str],
        source_kinds: Collection[str],
        clock: Clock,
        settle_ms: int = SETTLE_MS,
    ) -> None:
        self.directory = directory
        self.environ = environ
        self.source_kinds = source_kinds
        self.clock = clock
        self._settle_ms = settle_ms
        self._named: frozenset[str] = frozenset()

    @property
    def places(self) -> list[Path]:
        """The directories that the contents are in: rules, and the schemas that they named when last compiled."""
        return sorted({self.directory, *(Path(name).parent for name in self._named)})

    def compile_now(self) -> Attempt:
        """Compile what is there at this moment. Blocks."""
        try:
            compiled = compile_rules(self.directory, self.environ, self.source_kinds)
        except RulesUnreadable as error:
            return Attempt(str(error), Compiled(None, [], {}), str(error))
        self._named = compiled.contents.named
        return Attempt(compiled.contents.digest, compiled)

    async def mark(self) -> str:
        """What stands for the contents at this moment."""
        return await asyncio.to_thread(self._mark)

    async def compile(self, *, patient: bool) -> Attempt:
        """Compile the contents when they stand still; where they never do, that is the problem.

        With `patient`, they have to do so for a moment: nobody has said that they are complete.
        """
        before = await self.mark()
        for _ in range(_LOOKS):
            if patient:
                await self.clock.sleep(self._settle_ms)
            after = await self.mark()
            if after == before:
                attempt = await asyncio.to_thread(self.compile_now)
                after = await self.mark()
                if attempt.mark == after:
                    return attempt
            before = after
        problem = f"the files in `{self.directory}` changed between any two of {_LOOKS} looks; leave them alone for a moment"
        return Attempt(before, Compiled(None, [], {}), problem)

    def _mark(self) -> str:
        try:
            return digest_now(self.directory, self._named)
        except RulesUnreadable as error:
            return str(error)
