"""The scripts that Redis runs for the state store: one file of Lua each, beside this one.

Rule of the file: a script is called by its digest, and named here. What each takes and returns stands in its first lines.
"""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Final

Argument = str | bytes | int
Command = tuple[Argument, ...]


class Script:
    """One script; `text` is its source: a file, with those of the functions that it uses in front."""

    def __init__(self, name: str, *uses: str) -> None:
        room = files("engine.state").joinpath("lua")
        self.text = "\n".join(room.joinpath(f"{part}.lua").read_text("utf-8") for part in (*uses, name))
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Command:
        """The command that runs it. All keys are of one slot."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)


CLAIM: Final = Script("claim")
SETTLE: Final = Script("settle")
CLAIM_COMPACT: Final = Script("claim_compact", "buckets")
SETTLE_COMPACT: Final = Script("settle_compact", "buckets")
COMPACT: Final = Script("compact", "buckets")
OPEN: Final = Script("open")
JUDGE: Final = Script("judge")
KEEP: Final = Script("keep")
END: Final = Script("end")
PARTIALS: Final = Script("partials")
OWN: Final = Script("own")
GROUPS: Final = Script("groups")
ANNOUNCE: Final = Script("announce")
WITHDRAW: Final = Script("withdraw")

SCRIPTS: Final = (
    CLAIM,
    SETTLE,
    CLAIM_COMPACT,
    SETTLE_COMPACT,
    COMPACT,
    OPEN,
    JUDGE,
    KEEP,
    END,
    PARTIALS,
    OWN,
    GROUPS,
    ANNOUNCE,
    WITHDRAW,
)
