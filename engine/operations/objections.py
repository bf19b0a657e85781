"""What speaks, out there, against rules that compile: a topic that a new route leads to and that is missing, say.

Rule of the file: whoever reloads asks; what is asked, and of whom, is for the composition of the service to know.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.rules.diagnostics import Finding
from engine.rules.plan import Plan


class Objections(Protocol):
    """Asks about what a plan brings that the one before it did not have."""

    async def __call__(self, before: Plan, plan: Plan, *, make: bool) -> Sequence[Finding]:
        """Findings that are errors; none where the plan may come into service.

        With `make`, what is missing and may be made is made; without, nothing out there is changed.
        """


async def no_objections(before: Plan, plan: Plan, *, make: bool) -> Sequence[Finding]:
    """Where there is nothing to ask."""
    del before, plan, make
    return ()
