"""Records of closed windows that are published and committed together."""

import asyncio

from engine.pipeline.batch import Batch


class WindowBatch(Batch):
    """A numbered batch of an owner that holds no events. Its commit is what makes the claims on its windows final.

    `claims_end_ms` is how long the owner's record is needed for them. `committed` is set when the commit is known.
    """

    __slots__ = ("claims_end_ms", "committed")

    def __init__(self, seq: int, started_ms: int, claims_end_ms: int) -> None:
        super().__init__(seq, (), None, started_ms)
        self.claims_end_ms = claims_end_ms
        self.committed = asyncio.Event()
