"""What other languages call our operators.

In: a word that is no operator, and the value that stands with it. Out: ours, as text to write in its place. Rule of the file: what is offered means what
the author meant; where that is a guess it is help and no edit.
"""

import re
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
