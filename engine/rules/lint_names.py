"""Warnings about texts: one that names a field where its value was meant, one that stands twice in a list.

In: a ruleset without errors, and the lists as written. Out: findings. Rule of the file: a text may be anything, so only one that nothing but a field
is called by is taken for a field.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from engine.rules.diagnostics import Edit, Findings, Related, shown
from engine.rules.event_fields import EventFields
from engine.rules.model import Path, Scalar, Test
from engine.rules.nodes import ListNode, ScalarNode
from engine.rules.parser import Written
from engine.rules.places import Span
from engine.rules.uses import conditions_of, leaves, placed_values, transforms_of

_COMPARING: Final = frozenset(("eq", "ne", "in", "not_in"))


def lint_names(written: Written, findings: Findings) -> None:
    """Add every such warning."""
    ruleset = written.ruleset
    fields = EventFields(ruleset)
    for owner in conditions_of(ruleset):
        tests = [leaf.item for leaf in leaves(owner.condition) if isinstance(leaf.item, Test)]
        with findings.about(owner.rule_id):
            for test in tests:
                if test.operator in _COMPARING:
                    _lint_values(test, fields, findings)
                if isinstance(test.value, tuple) and test.operator != "between":
                    _lint_twice(list(placed_values(test)), findings)
    for rule_id, transform in transforms_of(ruleset):
        with findings.about(rule_id):
            for target, value in transform.set:
                if isinstance(value, str) and _is_field(value, target, fields):
                    _add_field(value, target.span, findings, f"{{field: {value}}}")
    for entry in written.lists:
        items = entry.value.items if isinstance(entry.value, ListNode) else ()
        with findings.about(f"lists.{entry.key}"):
            scalars = [(item.value, item.span) for item in items if isinstance(item, ScalarNode) and item.value is not None]
            _lint_twice(scalars, findings)


def _lint_values(test: Test, fields: EventFields, findings: Findings) -> None:
    for value, span in placed_values(test):
        if isinstance(value, str) and _is_field(value, test.path, fields):
            bare = test.span == test.path.span
            operator = "ne" if test.operator in {"ne", "not_in"} else "eq"
            meant = f"{{field: {value}}}"
            of_list = test.operator in {"in", "not_in"}
            help = f"{{{operator}: {meant}}}" if bare else f"{operator}: {meant}" if of_list else meant
            _add_field(value, span, findings, help, () if of_list or span == test.span else (Edit(span, help),))


def _add_field(name: str, span: Span, findings: Findings, meant: str, edits: tuple[Edit, ...] = ()) -> None:
    message = f"`{shown(name)}` is a text here, and the name of a field"
    findings.add("W625", message, span, help=f"the value of the field is `{meant}`", edits=edits)


def _is_field(text: str, beside: Path, fields: EventFields) -> bool:
    """Whether the text names a member of a source or a derived field, or a member of the event of the same kind: `user_id: owner_id`."""
    if text not in fields.known_names or text == beside.text:
        return False
    kind = text.rpartition("_")[2]
    return "." in text or ("_" in text and beside.text.endswith(f"_{kind}"))


def _lint_twice(values: Sequence[tuple[Scalar, Span]], findings: Findings) -> None:
    for value, first, second in _repeated(values):
        related = (Related("the other one", first),)
        findings.add("W626", f"`{shown(value)}` stands here a second time", second, help="leave it out", related=related)


def _repeated(values: Sequence[tuple[Scalar, Span]]) -> Iterator[tuple[Scalar, Span, Span]]:
    seen: dict[tuple[bool, Scalar], Span] = {}
    for value, span in values:
        first = seen.setdefault((isinstance(value, bool), value), span)
        if first is not span:
            yield value, first, span
