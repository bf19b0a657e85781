"""The rules of a worker: those that the supervisor read and sent, in the place of a directory.

In: contents as they came. Out: what became of them when they were compiled. Rule of the file: each is compiled once, and nothing is read from the
disk but what enrichment reads.
"""

import asyncio

from engine.operations.rules_on_disk import Attempt, RulesOnDisk
from engine.rules.compiler import compile_rules
from engine.rules.snapshot import KeptFiles


class GivenRules(RulesOnDisk):
    """Contents that are given by `give`; there have to be some before anything is asked."""

    _kept: KeptFiles
    _attempt: Attempt | None = None

    def give(self, kept: KeptFiles) -> None:
        """Have these contents looked at from now on."""
        self._kept, self._attempt = kept, None

    def compile_now(self) -> Attempt:
        """Compile what was given. Blocks, the first time."""
        if self._attempt is None:
            compiled = compile_rules(self.directory, self.environ, self.source_kinds, self._kept)
            self._attempt = Attempt(compiled.contents.digest, compiled)
        return self._attempt

    async def mark(self) -> str:
        """What stands for the contents."""
        return (await self.compile(patient=False)).mark

    async def compile(self, *, patient: bool) -> Attempt:
        """Compile what was given: it is complete."""
        del patient
        return await asyncio.to_thread(self.compile_now)
