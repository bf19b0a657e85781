"""What sources found is read as `user.country`, and by the name that records have for it, `enrichment.user.country`: both become the first.

In: a ruleset as written. Out: the same one with short paths, so that whatever compares rules takes both for one. Rule of the file: inside of an element
a path starts at the element, and stays as it is.
"""

from dataclasses import fields, is_dataclass, replace
from typing import Final, TypeVar, cast

from engine.rules.model import Extract, Path, Ruleset, Test, Use
from engine.rules.uses import conditions_of, leaves
from engine.rules.values import DERIVED, ENRICHMENT

T = TypeVar("T")

_PARTS: Final = ("filters", "aggregations", "deduplication")


def with_short_paths(ruleset: Ruleset) -> Ruleset:
    """The ruleset with short paths. A named condition that is used in an element keeps its paths."""
    names = frozenset((DERIVED, *ruleset.enrichment.sources))
    inside = {
        leaf.item.name
        for owner in conditions_of(ruleset)
        for leaf in leaves(owner.condition)
        if isinstance(leaf.item, Use) and leaf.in_element
    }
    named = {name: part if name in inside else _short(part, names) for name, part in ruleset.conditions.items()}
    parts = {part: _short(getattr(ruleset, part), names) for part in _PARTS}
    derived = {name: _short(part, names) for name, part in ruleset.enrichment.derived.items()}
    return replace(ruleset, conditions=named, enrichment=replace(ruleset.enrichment, derived=derived), **parts)


def _short(part: T, names: frozenset[str]) -> T:
    """The part with short paths; the same object where it has no long ones."""
    made: object = part
    if isinstance(part, Path):
        made = _short_path(part, names)
    elif isinstance(part, Test) and part.operator in {"some", "every", "size"}:
        made = replace(part, path=_short_path(part.path, names))
    elif isinstance(part, tuple):
        made = tuple(_short(item, names) for item in part)
    elif isinstance(part, dict):
        made = {key: _short(item, names) for key, item in part.items()}
    elif is_dataclass(part) and not isinstance(part, type | Extract):
        pairs = [(field.name, getattr(part, field.name)) for field in fields(part) if field.compare]
        changed = {name: new for name, old in pairs if (new := _short(old, names)) != old}
        made = replace(part, **changed) if changed else part
    return cast("T", made)


def _short_path(path: Path, names: frozenset[str]) -> Path:
    if len(path.steps) < 2 or path.steps[0] != ENRICHMENT or path.steps[1] not in names:
        return path
    return replace(path, text=path.text.removeprefix("$.").removeprefix(f"{ENRICHMENT}."), steps=path.steps[1:], own=False)
