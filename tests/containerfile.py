"""The Containerfile as tests read it: its instructions, stage by stage."""

import json
import re
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """One instruction of a stage, on one line."""

    word: str
    rest: str

    @property
    def listed(self) -> list[str]:
        """What it says in its form for programs, `["a", "b"]`; of a health check, after `CMD`."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def stages(checkout: Path) -> list[list[Instruction]]:
    """All stages, each begins with its `FROM`; what stands before the first one is left out."""
    text = re.sub(r"^ *#.*\n", "", (checkout / "Containerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    found: list[list[Instruction]] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(word, rest.strip()))
    return found


def copied(stage: list[Instruction]) -> list[str]:
    """What a stage takes from the checkout."""
    copies = [one.rest.split() for one in stage if one.word == "COPY" and not one.rest.startswith("--from=")]
    return [source for words in copies for source in words[:-1]]


def environment(stage: list[Instruction]) -> dict[str, str]:
    """The variables that a stage sets."""
    return dict(pair.split("=", 1) for one in stage if one.word == "ENV" for pair in one.rest.split())
