"""What other languages call our operators.

In: a word that is no operator, and the value that stands with it. Out: ours, as text to write in its place. Rule of the file: what is offered means what
the author meant; where that is a guess it is help and no edit.
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from engine.rules.diagnostics import Edit, as_written
from engine.rules.nodes import Node, ScalarNode
from engine.rules.places import Span

OTHER_WORDS: Final = {
    "and": "all", "or": "any", "nor": "none",
    "==": "eq", "=": "eq", "===": "eq", "equals": "eq", "equal": "eq", "is": "eq", "!=": "ne", "<>": "ne", "neq": "ne", "not_eq": "ne",
    "not_equals": "ne", "is_not": "ne", "<": "lt", "less": "lt", "less_than": "lt", "lesser": "lt", "before": "lt", "smaller_or_equal": "lte", "less_or_equal": "lte", "less_equal": "lte", "less_than_or_equal": "lte", "lower": "lt", "lower_than": "lt", "smaller": "lt", "smaller_than": "lt", "below": "lt", "under": "lt", "<=": "lte", "le": "lte", "max": "lte", "at_most": "lte",
    ">": "gt", "greater": "gt", "greater_than": "gt", "after": "gt", "larger_or_equal": "gte", "greater_or_equal": "gte", "greater_equal": "gte", "greater_than_or_equal": "gte", "larger": "gt", "larger_than": "gt", "bigger": "gt", "higher": "gt", "more": "gt", "more_than": "gt", "exceeds": "gt", "above": "gt", "over": "gt", ">=": "gte", "ge": "gte", "min": "gte", "at_least": "gte", "range": "between",
    "one_of": "in", "any_of": "in", "nin": "not_in", "notin": "not_in", "none_of": "not_in",
    "includes": "contains", "ilike": "contains", "like": "contains", "substring": "contains", "prefix": "starts_with", "suffix": "ends_with",
    "regex": "matches", "regexp": "matches", "re": "matches", "match": "matches", "pattern": "matches", "=~": "matches",
    "present": "exists", "defined": "exists", "missing": "exists: false", "null": "is_null", "cidr": "in_cidr", "ip_in": "in_cidr",
    "newer_than": "within", "length": "size", "count": "size", "len": "size", "case_insensitive": "ignore_case", "icase": "ignore_case",
    "not": "ne` or `not_in", "default": "if_missing", "field": "eq: {field: …}", "list": "in: {list: …}",
}  # fmt: skip
"""Ours by theirs; where one word is not enough, as help says it."""

_KEYS: Final = {
    "if": "when", "condition": "when", "where": "when", "filter": "when", "match": "when", "matches": "when",
    "action": "then", "actions": "then", "do": "then",
    "desc": "description", "comment": "description", "doc": "description",
    "retention": "retain", "keep": "retain", "group_by": "key", "groupby": "key", "group": "key", "by": "key",
    "metrics": "measures", "compute": "measures", "aggregates": "measures", "windowing": "window",
    "tz": "timezone", "zone": "timezone", "dedup": "deduplication", "dedupe": "deduplication",
    "expire": "ttl", "expires": "ttl", "expiry": "ttl", "window": "ttl", "size": "max_entries", "limit": "max_entries", "max_size": "max_entries",
    "source": "from", "key": "lookup", "percentage": "percent", "computed": "derived", "fallbacks": "fallback",
    "input": "event", "payload": "event", "assert": "expect", "should": "expect", "expected": "expect", "then": "expect",
    "outcome": "status", "result": "status", "blocked_by": "filter", "matched": "filters", "title": "name",
    "mock": "given", "mocks": "given", "context": "given", "fixtures": "given", "stub": "given",
}  # fmt: skip
"""Keys of ours by those of others: where ours is a key of the same map and is not written there."""

_MEASURES: Final = {
    "average": "avg", "mean": "avg", "total": "sum", "minimum": "min", "maximum": "max", "lowest": "min", "highest": "max",
    "unique": "distinct", "uniques": "distinct", "nunique": "distinct", "cardinality": "distinct", "count_distinct": "distinct",
    "distinct_count": "distinct", "percentile": "quantile", "count_if": "count", "countif": "count", "count_where": "count",
    "newest": "last", "latest": "last", "oldest": "first", "subtract": "difference", "diff": "difference", "divide": "ratio", "top_k": "top",
}  # fmt: skip
_PERCENTILE: Final = re.compile(r"p([1-9][0-9]?)|median")

_ACTIONS: Final = {
    **dict.fromkeys(("drop", "reject", "deny", "discard", "ignore", "stop", "skip", "exclude", "filter"), "block"),
    **dict.fromkeys(("pass", "accept", "permit", "let_through"), "allow"),
    **dict.fromkeys(("send", "forward", "redirect", "publish"), "route"),
    **dict.fromkeys(("modify", "change", "mutate"), "transform"),
}
_INSIDE: Final = {"mark": "allow: {mark: …}", "tag": "allow: {mark: …}", "label": "allow: {mark: …}", "flag": "allow: {mark: …}", "reason": "block: {reason: …}",
                  "to": "route: {to: …}", "set": "transform: {set: …}", "remove": "transform: {remove: …}", "rename": "transform: {rename: …}"}  # fmt: skip

_LIKE: Final = frozenset(("like", "ilike"))
_WILD: Final = re.compile(r"[%_*]")


class Offer(NamedTuple):
    """What to write, in words and as edits."""

    help: str
    edits: tuple[Edit, ...] = ()


def like_of_sql(word: str, place: Span, value: Node) -> Offer | None:
    """What `LIKE` means with this text: its `%` at the ends say which operator; None for another word, or a value that is no text."""
    if word.lower() not in _LIKE or not isinstance(value, ScalarNode) or not isinstance(value.value, str):
        return None
    text = value.value.strip("%")
    if not text or _WILD.search(text):
        return Offer("write a pattern: `matches: …`, in which `.*` stands for `%` and `.` for `_`")
    ends = (value.value.startswith("%"), value.value.endswith("%"))
    operator = {(True, True): "contains", (False, True): "starts_with", (True, False): "ends_with", (False, False): "eq"}[ends]
    case = ", with `ignore_case: true` beside it" if word.lower() == "ilike" else ""
    edits = () if case else (Edit(place, operator), Edit(value.span, as_written(text)))
    return Offer(f"write `{operator}: {as_written(text)}`{case}", edits)


def key_of_ours(word: str, free: Collection[str]) -> str | None:
    """The key that others call `word`, if it is one of those that are `free` to stand here."""
    ours = _KEYS.get(word.lower())
    return ours if ours in free else None


def measure_of_ours(word: str, place: Span) -> Offer | None:
    """The measure that others call `word`."""
    if ours := _MEASURES.get(word.lower()):
        return Offer(f"did you mean `{ours}`?", (Edit(place, ours),))
    if percentile := _PERCENTILE.fullmatch(word.lower()):
        share = f"0.{percentile[1].zfill(2).rstrip('0')}" if percentile[1] else "0.5"
        return Offer(f"write `{{quantile: FIELD, q: {share}}}`")
    return None


def action_of_ours(word: str, place: Span) -> Offer | None:
    """The action that others call `word`, or the one that it is a part of."""
    if ours := _ACTIONS.get(word.lower()):
        return Offer(f"did you mean `{ours}`?", (Edit(place, ours),))
    inside = _INSIDE.get(word.lower())
    return Offer(f"write `{inside}`") if inside else None
