"""What a change of rules does, as JSON for programs, and in words for people and for pull requests.

In: consequences, and where a store was asked, how much state there is. Out: an object, text or Markdown. Rule of the file: nothing is judged here; all forms say the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from engine.event import JsonObject
from engine.operations.live_groups import LiveGroups
from engine.rules.consequences import FATES, SECTIONS, Part

IN_SERVICE: Final = "what is in service"
"""Where rules are from that are in service, in place of a directory."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of rules: the ids of both rulesets and where they are from, the parts, and by state how much of it there is."""

    old: str
    new: str
    old_path: str
    new_path: str
    parts: Sequence[Part]
    live: Mapping[str, LiveGroups] = field(default_factory=dict)


def plan_as_json(change: Change) -> JsonObject:
    """Everything as one JSON object."""
    return {
        "version": 1,
        "from": {"ruleset": change.old, "path": change.old_path},
        "to": {"ruleset": change.new, "path": change.new_path},
        "counts": {fate: sum(part.fate == fate for part in change.parts) for fate in FATES},
        "parts": [_part(part, change.live.get(part.state)) for part in change.parts],
    }


def plan_human(change: Change) -> str:
    """For a terminal."""
    lines = [f"from {_place(change)} ({change.old}) to `{change.new_path}` ({change.new}): {_counts(change.parts)}"]
    for section, parts in _sections(change.parts):
        lines += ["", section]
        lines += [f"  {fate:<8}  {line}" for fate, line in _lines(parts, change.live)]
    return "".join(f"{line}\n" for line in lines)


def plan_markdown(change: Change) -> str:
    """For a pull request."""
    lines = [
        "### Change of rules",
        "",
        f"From {_place(change)} (`{change.old}`) to `{change.new_path}` (`{change.new}`): {_counts(change.parts)}.",
    ]
    lines += ["", "| section | | |", "| --- | --- | --- |"]
    for section, parts in _sections(change.parts):
        lines += [f"| {section} | {_bold(fate)} | {_cell(line)} |" for fate, line in _lines(parts, change.live)]
    return "".join(f"{line}\n" for line in lines)


def _part(part: Part, live: LiveGroups | None) -> JsonObject:
    content: JsonObject = {
        "section": part.section,
        "id": part.id,
        "fate": part.fate,
        "what": list(part.what),
        "effect": part.effect,
    }
    if part.section == "aggregations":
        content |= {"state": part.state or None, "new_state": part.new_state or None}
    if live is not None:
        content["live"] = {"keys": live.keys, "groups": live.groups, "complete": live.complete}
    return content


def _counts(parts: Sequence[Part]) -> str:
    counts = [(sum(part.fate == fate for part in parts), fate) for fate in FATES]
    return ", ".join(f"{number} {fate}" for number, fate in counts if number) or "nothing"


def _sections(parts: Sequence[Part]) -> Iterator[tuple[str, list[Part]]]:
    """The sections in which something is to be told of."""
    ordered = sorted(parts, key=lambda part: SECTIONS.index(part.section))
    for section, found in groupby(ordered, key=lambda part: part.section):
        yield section, list(found)


def _lines(parts: Sequence[Part], live: Mapping[str, LiveGroups]) -> Iterator[tuple[str, str]]:
    """A line for each part of which something is to be said, and one for all others."""
    silent = [part for part in parts if part.fate == "kept" and not part.what and part.state not in live]
    told = sorted((part for part in parts if part not in silent), key=lambda part: FATES.index(part.fate))
    for part in told:
        says = "; ".join(text for text in (", ".join(part.what), part.effect, _live(live.get(part.state))) if text)
        yield part.fate, f"`{part.id}`" + (f": {says}" if says else "")
    if silent:
        yield "kept", ", ".join(f"`{part.id}`" for part in silent)


def _place(change: Change) -> str:
    """Where the old rules are from: a directory, or in words that they are in service."""
    return change.old_path if change.old_path == IN_SERVICE else f"`{change.old_path}`"


def _live(live: LiveGroups | None) -> str:
    if live is None:
        return ""
    word = "" if live.complete else "more than "
    groups, are = ("group", "is") if live.groups == 1 else ("groups", "are")
    return f"{word}{live.groups:,} {groups} of {live.keys:,} key{'s' * (live.keys != 1)} {are} in the store"


def _bold(fate: str) -> str:
    return f"**{fate}**" if fate in {"reset", "removed"} else fate


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
