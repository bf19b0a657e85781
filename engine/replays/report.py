"""What a replay came to, as one JSON object.

In: a replay, what was replayed, and what may change. Out: an object that programs keep to. Rule of the file: names are added, never changed.
"""

from dataclasses import dataclass
from typing import Final

from engine.event import JsonObject
from engine.replays.decisions import Facet, Member
from engine.replays.differences import Differences, Group, Sample
from engine.replays.limit import Limit
from engine.replays.reasons import FILTERS, Cause
from engine.replays.replay import Replayed
from engine.replays.windows import AggregateDifferences, ChangedWindow
from engine.rules.times import format_nearest, format_time
from engine.rules.values import MISSING

KINDS: Final = ("event", "record", "dead_letter")


@dataclass(frozen=True, slots=True)
class Report:
    """A replay and how it is told of: the directories as they were named, at most `most_groups` groups, and what may change."""

    replayed: Replayed
    new: str
    old: str = ""
    most_groups: int = 20
    limit: Limit | None = None

    @property
    def events(self) -> int:
        """How many events there were."""
        return self.replayed.kinds.total()

    @property
    def differences(self) -> Differences:
        """What changed; nothing where one ruleset was replayed alone."""
        if self.replayed.differences is None:
            raise ValueError("one ruleset was replayed alone")
        return self.replayed.differences

    @property
    def percent(self) -> float:
        """The share of events of which the decision changed."""
        return 100 * self.differences.changed / self.events if self.events else 0.0

    @property
    def exceeded(self) -> bool:
        """Whether more changed than may."""
        limit, differences = self.limit, self.replayed.differences
        return limit is not None and differences is not None and limit.is_exceeded(differences.changed, self.events)


def as_json(report: Report) -> JsonObject:
    """Everything as one JSON object."""
    replayed = report.replayed
    content: JsonObject = {
        "version": 1,
        "events": {"read": report.events, **{f"{kind}s": replayed.kinds[kind] for kind in KINDS}},
        "rules": {"path": report.new, **replayed.new},
    }
    if replayed.old is None:
        return content
    differences = report.differences
    groups = differences.groups()
    return {
        **content,
        "against": {"path": report.old, **replayed.old},
        "changed": differences.changed,
        "unchanged": differences.unchanged,
        "changed_percent": round(report.percent, 4),
        "max_changed": None if report.limit is None else {"limit": report.limit.text, "exceeded": report.exceeded},
        "groups": [_group(group) for group in groups[: report.most_groups]],
        "groups_left_out": max(0, len(groups) - report.most_groups),
        "changed_ungrouped": differences.ungrouped,
        "aggregations": [_aggregation(one) for one in replayed.windows],
    }


def _group(group: Group) -> JsonObject:
    return {
        "cause": _cause(group.cause),
        "changes": [_facet(facet) for facet in group.facets],
        "events": group.events,
        "samples": [_sample(sample) for sample in group.samples],
    }


def _cause(cause: Cause) -> JsonObject:
    return {"filters": list(cause.filters)} if cause.kind == FILTERS else {"section": cause.kind}


def _facet(facet: Facet) -> JsonObject:
    if facet.what == "members":
        return {"what": facet.what, "members": facet.new.split(", ")}
    return {"what": facet.what, "old": facet.old, "new": facet.new}


def _sample(sample: Sample) -> JsonObject:
    return {
        "line" if isinstance(sample.place, int) else "offset": sample.place,
        "id": sample.id,
        "type": sample.type,
        "time": None if sample.time_ms is None else format_time(sample.time_ms),
        "why": [{"filter": why.filter or None, "old": why.old, "new": why.new} for why in sample.why],
        "members": [_member(member) for member in sample.members],
    }


def _member(member: Member) -> JsonObject:
    sides = (("old", member.old), ("new", member.new))
    return {"path": member.path, **{name: value for name, value in sides if value is not MISSING}}


def _aggregation(differences: AggregateDifferences) -> JsonObject:
    if differences.incomparable:
        return {"id": differences.name, "compared": False, "reason": differences.incomparable}
    return {
        "id": differences.name,
        "compared": True,
        "changed": differences.changed,
        "unchanged": differences.unchanged,
        "largest": [_window(window) for window in differences.largest],
    }


def _window(window: ChangedWindow) -> JsonObject:
    return {
        "key": window.key,
        "start": format_nearest(window.start_ms),
        "end": format_nearest(window.end_ms),
        "old": window.old,
        "new": window.new,
    }
