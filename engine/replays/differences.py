"""The decisions that changed, in groups: one for each cause and each way in which it changes decisions.

In: events of which both rulesets' decisions are known. Out: groups with their numbers and a few events each. Rule of the file: memory has a bound, however
many events there are and however they differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.event import Event
from engine.replays.decisions import Facet, Member, facets, is_same, members
from engine.replays.items import Item
from engine.replays.reasons import Cause, Side, Why, cause_of, why
from engine.replays.recording import Place
from engine.replays.sent import Sent

MAX_GROUPS: Final = 10_000
"""Changes beyond so many groups are counted, and not told apart."""

_MAX_MEMBERS: Final = 4


class Sample(NamedTuple):
    """One event of a group: where it stands, and why its decision is another."""

    place: Place
    id: str | None
    type: str
    time_ms: int | None
    why: list[Why]
    members: list[Member]


@dataclass(slots=True)
class Group:
    """Events whose decisions changed in one way, for one cause. `samples` are the first of them."""

    cause: Cause
    facets: tuple[Facet, ...]
    events: int = 0
    samples: list[Sample] = field(default_factory=list)


class Differences:
    """Compares decisions. `samples` events are kept of each group; `ungrouped` counts changes for which there was no group left."""

    def __init__(self, old: Side, new: Side, samples: int, max_groups: int = MAX_GROUPS) -> None:
        self.changed = 0
        self.unchanged = 0
        self.ungrouped = 0
        self._old = old
        self._new = new
        self._samples = samples
        self._max_groups = max_groups
        self._groups: dict[tuple[Cause, tuple[Facet, ...]], Group] = {}

    def compare(self, items: Sequence[Item], old: Sent, new: Sent) -> None:
        """Take in what both made of these items; all of them have ended in both."""
        for index, item in enumerate(items):
            if is_same(old, new, index) or not (found := facets(old, new, index)):
                self.unchanged += 1
            else:
                self.changed += 1
                self._note(item, (old, new), index, found)

    def groups(self) -> list[Group]:
        """All groups, the largest first; of one size, in the order in which they were met."""
        return sorted(self._groups.values(), key=lambda group: -group.events)

    def _note(self, item: Item, sent: tuple[Sent, Sent], index: int, found: tuple[Facet, ...]) -> None:
        cause = cause_of(self._old, self._new, item, sent, index, found)
        group = self._groups.get((cause, found))
        if group is None:
            if len(self._groups) >= self._max_groups:
                self.ungrouped += 1
                return
            group = self._groups[cause, found] = Group(cause, found)
        group.events += 1
        if len(group.samples) < self._samples:
            group.samples.append(self._sample(item, sent, index, cause))

    def _sample(self, item: Item, sent: tuple[Sent, Sent], index: int, cause: Cause) -> Sample:
        event = sent[0].events[index] or sent[1].events[index]
        identity = sent[0].ids[index] or sent[1].ids[index]
        told = why(self._old, self._new, item, sent, index, cause)
        other = members(*sent, index)[:_MAX_MEMBERS]
        return Sample(item.place, identity, *_type_and_time(event), told, other)


def _type_and_time(event: Event | None) -> tuple[str, int | None]:
    return ("", None) if event is None else (event.type, event.time_ms)
