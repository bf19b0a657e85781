"""A replay in words, for a terminal and for the comment on a pull request.

In: a report. Out: text, or Markdown. Rule of the file: both say the same, in the same order; what comes from events is shown so that it can steer neither a terminal nor
a page.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from engine.event import JsonObject
from engine.replays.decisions import Facet, Member
from engine.replays.differences import Group, Sample
from engine.replays.reasons import FILTERS, Cause, Why
from engine.replays.report import Report
from engine.replays.windows import AggregateDifferences, ChangedWindow
from engine.rules.diagnostics import shown
from engine.rules.explanations import value_text
from engine.rules.times import format_nearest, format_time
from engine.rules.values import MISSING

Row = tuple[str, int | None, int | None]

_OUTCOMES: Final = ("accepted", "duplicate", "blocked", "rejected", "late")
_COUNTED: Final = (
    ("filters", "filter", ("matched", "errors")),
    ("routes", "route", ("",)),
    ("aggregations", "aggregation", ("groups", "events")),
)
_KINDS: Final = (("record", "record{} of this engine"), ("dead_letter", "dead letter{}"))


def human(report: Report) -> str:
    """For a terminal."""
    lines = [_head(report), ""]
    lines += _table(report)
    if report.replayed.old is not None:
        for group in _groups(report):
            lines += ["", f"{group.events:,}  {_cause(group.cause)}: {_printable(_facets(group.facets))}"]
            for sample in group.samples:
                lines.append(f"    {_sample_title(sample)}")
                lines += [f"        {line}" for line in _sample_lines(sample)]
        lines += _left_out(report)
        lines += _windows_for_people(report)
        lines += _verdict(report)
    return "".join(f"{line}\n" for line in lines)


def markdown(report: Report) -> str:
    """For a pull request."""
    lines = ["### Replay", "", _head(report), ""]
    lines += _markdown_table(report)
    if report.replayed.old is not None:
        for number, group in enumerate(_groups(report)):
            lines += [""] if number else ["", "#### Changed decisions", ""]
            lines.append(f"**{group.events:,}** × {_cause(group.cause)}: {_code(_facets(group.facets))}")
            if group.samples:
                lines += ["", "```text"]
                for sample in group.samples:
                    lines.append(_fenced(_sample_title(sample)))
                    lines += [f"    {_fenced(line)}" for line in _sample_lines(sample)]
                lines.append("```")
        lines += _left_out(report)
        lines += _markdown_windows(report)
        lines += _verdict(report)
    return "".join(f"{line}\n" for line in lines)


def _head(report: Report) -> str:
    kinds = report.replayed.kinds
    parts = [f"{kinds[kind]:,} {words.format('s' * (kinds[kind] != 1))}" for kind, words in _KINDS if kinds[kind]]
    read = f"{report.events:,} event{'s' * (report.events != 1)}" + (f", of them {' and '.join(parts)}" if parts else "")
    if report.replayed.old is None:
        return f"{read}, under `{report.new}`"
    differences = report.differences
    return (
        f"{read}: {differences.unchanged:,} decided as before, {differences.changed:,} changed ({report.percent:.2f} %)"
        f" from `{report.old}` to `{report.new}`"
    )


def _rows(report: Report) -> Iterator[Row]:
    """The counts: old and new; one of one ruleset alone is the new one."""
    new, old = report.replayed.new, report.replayed.old or {}
    for name in _OUTCOMES:
        yield name, _number(old, name), _number(new, name)
    for section, word, counts in _COUNTED:
        before, after = _section(old, section), _section(new, section)
        for name in dict.fromkeys((*before, *after)):
            for count in counts:
                pair = _count(before.get(name), count), _count(after.get(name), count)
                if count != "errors" or any(pair):
                    yield f"{word} `{name}`{f', {count}' if count else ''}", *pair


def _table(report: Report) -> list[str]:
    rows = list(_rows(report))
    width = max(len(name) for name, _, _ in rows)
    if report.replayed.old is None:
        return [f"{name:<{width}}  {_cell(new):>12}" for name, _, new in rows]
    head = f"{'':<{width}}  {'old':>12}  {'new':>12}"
    return [
        head,
        *(f"{name:<{width}}  {_cell(old):>12}  {_cell(new):>12}  {_change(old, new)}".rstrip() for name, old, new in rows),
    ]


def _markdown_table(report: Report) -> list[str]:
    rows = list(_rows(report))
    if report.replayed.old is None:
        return ["| | events |", "| --- | ---: |", *(f"| {name} | {_cell(new)} |" for name, _, new in rows)]
    lines = [f"| {name} | {_cell(old)} | {_cell(new)} | {_change(old, new)} |" for name, old, new in rows]
    return ["| | old | new | |", "| --- | ---: | ---: | ---: |", *lines]


def _groups(report: Report) -> Sequence[Group]:
    return report.differences.groups()[: report.most_groups]


def _left_out(report: Report) -> list[str]:
    groups, ungrouped = report.differences.groups(), report.differences.ungrouped
    rest = groups[report.most_groups :]
    lines = []
    if rest:
        events = sum(group.events for group in rest)
        lines.append(f"… smaller groups left out: {len(rest):,}, events in them: {events:,}; `--groups {len(groups)}` shows all")
    if ungrouped:
        lines.append(f"… and {ungrouped:,} events that changed in more ways than are told apart")
    return ["", *lines] if lines else []


def _cause(cause: Cause) -> str:
    if cause.kind != FILTERS:
        return cause.kind
    names = ", ".join(f"`{name}`" for name in cause.filters)
    return f"filter {names}" if len(cause.filters) == 1 else f"filters {names}"


def _facets(facets: Sequence[Facet]) -> str:
    return "; ".join(
        f"changes {facet.new}" if facet.what == "members" else f"{facet.what} {facet.old} -> {facet.new}" for facet in facets
    )


def _sample_title(sample: Sample) -> str:
    when = "" if sample.time_ms is None else f" at {format_time(sample.time_ms)}"
    identity = "without an identity" if sample.id is None else shown(sample.id)
    place = f"{'line' if isinstance(sample.place, int) else 'offset'} {sample.place}"
    return f"{place}: {shown(sample.type) + ' ' if sample.type else ''}{identity}{when}"


def _sample_lines(sample: Sample) -> Iterator[str]:
    for why in sample.why:
        yield from _why(why)
    for member in sample.members:
        yield f"{shown(member.path)}: {_member(member)}"


def _why(why: Why) -> Iterator[str]:
    for side, lines in (("old", why.old), ("new", why.new)):
        for line in lines:
            yield f"{f'{why.filter} ' if why.filter else ''}{side}  {_printable(line)}"


def _member(member: Member) -> str:
    return " -> ".join("nothing" if value is MISSING else value_text(value) for value in (member.old, member.new))


def _windows_for_people(report: Report) -> Iterator[str]:
    for one in report.replayed.windows:
        yield from ("", f"aggregation `{one.name}`: {_window_counts(one)}")
        for window in one.largest:
            yield f"    {_printable(window.key) or 'all'}  {_window_time(window)}  {_window_figures(window)}"


def _markdown_windows(report: Report) -> Iterator[str]:
    if report.replayed.windows:
        yield from ("", "#### Aggregates", "", "| aggregation | |", "| --- | --- |")
    for one in report.replayed.windows:
        yield f"| `{one.name}` | {_window_counts(one)} |"
    changed = [(one.name, window) for one in report.replayed.windows for window in one.largest]
    if changed:
        yield from ("", "| aggregation | key | window | |", "| --- | --- | --- | --- |")
    for name, window in changed:
        yield f"| `{name}` | {_code(window.key or 'all')} | {_window_time(window)} | {_code(_window_figures(window))} |"


def _window_counts(one: AggregateDifferences) -> str:
    if one.incomparable:
        return f"not compared: {one.incomparable}"
    return f"{one.changed:,} {'window' if one.changed == 1 else 'windows'} changed, {one.unchanged:,} the same"


def _window_time(window: ChangedWindow) -> str:
    return f"{format_nearest(window.start_ms)} to {format_nearest(window.end_ms)}"


def _window_figures(window: ChangedWindow) -> str:
    old, new = window.old, window.new
    if old is None or new is None:
        figures = ", ".join(f"{name} {value_text(value)}" for name, value in (old or new or {}).items())
        return f"{'only in the new' if old is None else 'only in the old'}: {figures}"
    changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {value_text(old.get(name))} -> {value_text(new.get(name))}" for name in changed)


def _verdict(report: Report) -> list[str]:
    if report.limit is None:
        return []
    word = "more than" if report.exceeded else "within"
    return [
        "",
        f"{report.differences.changed:,} changed decisions of {report.events:,} are {word} the limit of {report.limit.text}",
    ]


def _section(counts: JsonObject, name: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", counts.get(name, {}))


def _number(counts: JsonObject, name: str) -> int | None:
    return cast("int | None", counts.get(name))


def _count(value: object, name: str) -> int | None:
    return cast("int | None", value.get(name) if isinstance(value, dict) else value)


def _cell(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _change(old: int | None, new: int | None) -> str:
    if old == new:
        return ""
    return "gone" if new is None else "added" if old is None else f"{new - old:+,}"


def _fenced(text: str) -> str:
    """Text within a fence, which it must not end."""
    return text.replace("```", "'''")


def _code(text: str) -> str:
    """Text as code, which fits in a cell of a table as well."""
    return "`" + _printable(text).replace("|", "\\|").replace("`", "'") + "`"


def _printable(text: str) -> str:
    """The text as a whole, without what cannot be printed."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
