"""What must hold of windows that are published, in every state of the world."""

from collections import defaultdict

import orjson

from engine.event import Record
from engine.pipeline.aggregate import read_values
from engine.ports import StoredPartial
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.times import format_nearest
from tests.simulation.laws import Laws
from tests.simulation.world import World


class EmissionLaws(Laws):
    """The laws of events, and beside them those of windows: a revision never says two things, nor anything that was not so.

    With `every_window`, each has to close in the end, though no later event comes.
    """

    def __init__(self, world: World, *, every_window: bool = False) -> None:
        super().__init__(world)
        self._every_window = every_window
        self._seen: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
        self._told: dict[str, dict[int, bytes]] = {}
        self._checked = 0

    def check(self) -> None:
        """See Laws."""
        super().check()
        for place, values in self._windows().items():
            self._seen[place].add(orjson.dumps(values))
        for record in self._world.topic[self._checked :]:
            if record.topic == "windows":
                self._check(record)
        self._checked = len(self._world.topic)

    def waits(self) -> bool:
        """Whether a window is closed for a process that lives, and its last revision on the topic is not how it is."""
        return bool(self._untold())

    def check_end(self) -> None:
        """See Laws."""
        super().check_end()
        for identity, values in self._untold().items():
            self._broken(14, f"window {identity} is closed with {values!r} and was told as {self._told.get(identity)}")

    def _check(self, record: Record) -> None:
        told = orjson.loads(record.value)
        identity, revision, values = told["id"], told["revision"], orjson.dumps(told["values"])
        if values not in self._seen[told["aggregator"], identity]:
            self._broken(15, f"window {identity} never was {values!r}, as revision {revision} says")
        revisions = self._told.setdefault(identity, {})
        if revisions.setdefault(revision, values) != values:
            self._broken(16, f"revision {revision} of window {identity} is {revisions[revision]!r} and {values!r}")
        counts = [orjson.loads(revisions[number])["n"] for number in sorted(revisions)]
        if counts != sorted(counts):
            self._broken(17, f"the revisions of window {identity} go back: {revisions}")

    def _untold(self) -> dict[str, bytes]:
        """By identity, the windows whose last revision is not on the topic."""
        untold = {}
        for (name, identity), values in self._windows().items():
            last = self._told.get(identity, {})
            now = orjson.dumps(values)
            if self._is_closed(name, identity) and (not last or last[max(last)] != now):
                untold[identity] = now
        return untold

    def _is_closed(self, name: str, identity: str) -> bool:
        if self._every_window:
            return True
        start = identity.rpartition("/")[2]
        for process in self._world.processes.values():
            closing = process.processor._succession.closing
            through_ms = closing.closed_through_ms(self._world.plan.aggregations[name])
            if through_ms is not None and start <= format_nearest(through_ms):
                return True
        return False

    def _windows(self) -> dict[tuple[str, str], dict[str, object]]:
        """Every window that is committed, with its values, by aggregation and identity."""
        found: dict[tuple[str, str], dict[str, object]] = {}
        for name, plan in self._world.plan.aggregations.items():
            for key, stored in self._by_key(plan).items():
                committed = {row.owner: self._world.store.committed_of(row.owner) for row in stored}
                for window in read_values(plan, stored, committed):
                    found[name, f"{plan.state_id}/{key}/{format_nearest(window.start_ms)}"] = window.values
        return found

    def _by_key(self, plan: AggregationPlan) -> dict[str, list[StoredPartial]]:
        keys: defaultdict[str, list[StoredPartial]] = defaultdict(list)
        for partial in self._world.store.partial_rows():
            if partial.group.aggregation == plan.state_id:
                keys[partial.group.key].append(partial)
        return keys
