"""The dead letters that somebody wants, out of all in a file.

In: a file of letters with its notes, and what is wanted. Out: the letters, one after the other, and afterwards what was left out. Rule of the file: nothing is held
but the notes, however long the file is.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.egress.letters import Letter, NoLetter, read_letters
from engine.egress.replay_notes import read_notes

MAX_FAULTS = 10
"""So many lines that are no letters are kept for telling; the others are counted."""


@dataclass(slots=True)
class LetterChoice:
    """Iterate over it once. A file that is not there holds no letters.

    `code` and `since_ms` None take any; `names` are numbers of letters or ids of events, none for all; letters that were replayed are
    taken `with_replayed` alone. `taken`, `replayed`, `faulty` and `faults` tell of the iteration.
    """

    path: Path
    code: str | None = None
    since_ms: int | None = None
    names: Collection[str] = ()
    with_replayed: bool = False
    taken: int = 0
    replayed: int = 0
    faulty: int = 0
    faults: list[NoLetter] = field(default_factory=list)

    def __iter__(self) -> Iterator[Letter]:
        """The letters in their order. Raises OSError where the file cannot be read."""
        noted = set() if self.with_replayed else read_notes(self.path)
        for letter in read_letters(self.path) if self.path.exists() else ():
            if isinstance(letter, NoLetter):
                self._note(letter)
            elif self._wants(letter):
                if letter.mark in noted:
                    self.replayed += 1
                else:
                    self.taken += 1
                    yield letter

    def _note(self, fault: NoLetter) -> None:
        self.faulty += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def _wants(self, letter: Letter) -> bool:
        return (
            self.code in {None, letter.code}
            and (self.since_ms is None or letter.time_ms >= self.since_ms)
            and (not self.names or str(letter.number) in self.names or letter.id in self.names)
        )
