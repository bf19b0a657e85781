"""Findings: what is wrong with a rules directory, where, and what to write instead.

In: faults and doubts, as the loader, the parser, the checks and the lints meet them. Out: one flat list.
Rule of the file: a code keeps its meaning for ever; a new meaning gets a new code. C is a setting, E1 YAML, E2 structure, E3 names, E4 types,
E5 patterns and limits, E7 what stands outside of the rules: servers, files of context; W6 is a warning about meaning, W8 about tests, W9 about comments that allow a warning.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from rapidfuzz.distance import Indel
from rapidfuzz.process import extractOne

from engine.rules.places import Span

Severity = Literal["error", "warning"]

CODES: Final = {
    "C001": "a name that no setting has",
    "C002": "a section or a value where the other belongs",
    "C003": "a value that its setting cannot take",
    "C004": "a setting without a value",
    "C005": "an environment variable that no setting has",
    "C006": "an environment variable that other programs have for a setting of another name",
    "E101": "the file is not plain UTF-8 text",
    "E102": "the file is not valid YAML",
    "E103": "a key is written twice in one map",
    "E104": "an alias refers to nothing, or aliases repeat too much",
    "E105": "YAML tags are not taken",
    "E106": "YAML merge keys are not taken",
    "E107": "a file holds more than one YAML document",
    "E108": "a key is not text",
    "E109": "the file is too large or nested too deeply",
    "E110": "a number is outside what JSON events can hold",
    "E201": "an unknown key",
    "E202": "a required key is missing",
    "E203": "a value of the wrong kind",
    "E204": "a value outside the allowed words",
    "E205": "a number outside its range",
    "E206": "not a duration",
    "E207": "not a path to a field",
    "E208": "a condition that is not well formed",
    "E209": "an unknown operator",
    "E210": "an operator with a value it cannot take",
    "E211": "null where a value is needed",
    "E212": "a modifier where it cannot work",
    "E213": "a name with characters that names cannot have",
    "E214": "a rule test that cannot fail or is not well formed",
    "E215": "the version of the rules language is missing or unknown",
    "E216": "no file says where the type and the time of an event stand",
    "E217": "a setting that does nothing without another one",
    "E301": "an id is used twice",
    "E302": "a field that no event or source has",
    "E303": "a name that is not declared",
    "E304": "named conditions that use each other in a circle",
    "E305": "a measure that cannot be computed from another",
    "E306": "an environment variable that is not set",
    "E307": "a reserved name",
    "E308": "a field that is read before it is there",
    "E309": "an event schema that cannot be used",
    "E401": "a value of another type than its field",
    "E402": "a value that its field never has",
    "E403": "an operator that its field's type does not have",
    "E501": "a regular expression that RE2 does not take",
    "E502": "a JMESPath expression that cannot be used",
    "E503": "a limit is exceeded",
    "E504": "a duration that does not fit the others",
    "E505": "an unknown time zone",
    "E506": "not an IP network",
    "E701": "a topic that is not there or cannot be used",
    "E702": "brokers that do not answer",
    "E703": "a file of context that cannot be read",
    "W601": "a name that nothing uses",
    "W602": "a negated test on a field that may be missing",
    "W603": "a condition that can never be true",
    "W604": "a filter that no event reaches",
    "W605": "an action after a block",
    "W606": "a field that looks like a misspelt one",
    "W607": "a member of the event hidden by a source of the same name",
    "W608": "two filters that do the same",
    "W609": "a condition that every event meets",
    "W610": "a part of a condition that changes nothing",
    "W611": "a field that a transform takes away before it is asked for",
    "W612": "copies that are sent for longer than they are known",
    "W613": "copies that are known for less time than a window lasts",
    "W614": "a window that is kept for less time than it lasts",
    "W615": "a wait for late events that are too old to be taken",
    "W616": "a key that makes every event a group of its own",
    "W617": "a measure of a part of the key",
    "W618": "a pattern that is plain text",
    "W619": "a pattern with a `.*` that changes nothing",
    "W620": "anchors that tie one alternative only",
    "W621": "a dot in the name of a host that matches any character",
    "W622": "a ruleset that costs more per event than is usual",
    "W623": "a time of a field that has none",
    "W624": "a field that only events of other types have",
    "W625": "a text that is the name of a field",
    "W626": "a value that stands twice in a list",
    "W627": "a word in an event schema that looks like a misspelt one",
    "W801": "a filter without a matching and a non-matching test",
    "W901": "a comment that allows a finding and does not say why",
    "W902": "a comment that allows what cannot be allowed",
    "W903": "a comment that allows a finding which is not there",
}
"""Every code, with one line on what it stands for."""

MAX_FINDINGS: Final = 10_000
"""How many findings are kept of one rules directory; a hostile file can have one for every other byte."""

_MAX_GUESSES: Final = 300
_NEAR: Final = 0.7
_SURE: Final = 0.74
_CLEARLY_NEARER: Final = 0.05
_MAX_COMPARED_NAMES: Final = 1_000
_MAX_COMPARED_CHARS: Final = 64
_MAX_LISTED: Final = 20
_MAX_SHOWN_CHARS: Final = 60
_PLAIN: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]*")
_NOT_TEXT: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that a finding speaks of."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to write in place of what stands at a span; an empty span is a place to insert at."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or doubt.

    `rule_id` is the section and the id (`filters.rapid_fire`), or empty outside of any rule. `help` says what to do or
    why; `fix` is text to write in place of what stands at `span`. Either may be empty. `edits` mend it without a person: they are
    only there where the author can have meant nothing else.
    """

    code: str
    message: str
    span: Span
    rule_id: str = ""
    help: str = ""
    fix: str = ""
    related: tuple[Related, ...] = ()
    edits: tuple[Edit, ...] = ()

    @property
    def severity(self) -> Severity:
        """`warning` for W codes: what was read can be used. `error` for all others: it cannot."""
        return "warning" if self.code.startswith("W") else "error"


class Findings:
    """Collects findings, each with the rule it belongs to; at most MAX_FINDINGS, and beyond that only whether there are errors."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._rule_id = ""
        self._guesses = 0
        self._has_errors = False

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        help: str = "",
        fix: str = "",
        related: tuple[Related, ...] = (),
        edits: tuple[Edit, ...] = (),
        sure: bool = True,
    ) -> None:
        """Keep a finding. `code` is one of CODES; a KeyError names a code that is not.

        A `fix` is an edit as well, unless it is not `sure`: a guess, or a pattern with a part to fill in.
        """
        if code not in CODES:
            raise KeyError(code)
        self._has_errors = self._has_errors or not code.startswith("W")
        if len(self._found) < MAX_FINDINGS:
            edits = edits or ((Edit(span, fix),) if fix and sure else ())
            self._found.append(Finding(code, message, span, self._rule_id, help, fix, related, edits))

    def extend(self, found: Iterable[Finding]) -> None:
        """Keep findings that were made before, as they are."""
        for finding in found:
            self._has_errors = self._has_errors or not finding.code.startswith("W")
            if len(self._found) < MAX_FINDINGS:
                self._found.append(finding)

    def add_unknown(
        self, code: str, message: str, span: Span, word: str, known: Iterable[str], otherwise: str = "", prefix: str = ""
    ) -> str | None:
        """Keep a finding about an unknown `word` at `span`: with the nearest of the `known` ones, which it returns, or what to do `otherwise`.

        The name is an edit where it is near enough, and no other is nearly as near. `prefix` is what of the text at `span` stands before
        the word and is right. Names are compared for the first few hundred findings only: that is slow, and nobody reads on.
        """
        self._guesses += 1
        if self._guesses > _MAX_GUESSES:
            self.add(code, message, span, help=otherwise)
            return None
        names = list(islice(known, _MAX_COMPARED_NAMES))
        near = closest(word, names)
        edits = (Edit(span, as_written(prefix + near)),) if near is not None and is_sure(word, near, names) else ()
        help = (otherwise or all_of(names)) if near is None else f"did you mean `{prefix}{near}`?"
        self.add(code, message, span, help=help, edits=edits)
        return near

    def about(self, rule_id: str) -> "_About":
        """Findings added inside a `with` of this belong to the rule."""
        return _About(self, rule_id)

    def turn_to(self, rule_id: str) -> str:
        """Findings belong to this rule from now on; returns the one before."""
        before, self._rule_id = self._rule_id, rule_id
        return before

    @property
    def has_errors(self) -> bool:
        """Whether a ruleset can be made of what was read so far."""
        return self._has_errors

    def in_order(self) -> list[Finding]:
        """All findings by file, line and column, each once."""
        return in_order(dict.fromkeys(self._found))


class _About:
    """While it is open, findings belong to a rule. It is opened for every rule by every check: a generator would take five times as long."""

    __slots__ = ("_findings", "_other")

    def __init__(self, findings: Findings, rule_id: str) -> None:
        self._findings = findings
        self._other = rule_id

    def __enter__(self) -> None:
        self._other = self._findings.turn_to(self._other)

    def __exit__(self, *_: object) -> None:
        self._findings.turn_to(self._other)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by file, line and column."""
    return sorted(findings, key=lambda found: (found.span.file, found.span.line, found.span.col, found.code))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` most likely stands for, or None where none is near."""
    if len(word) > _MAX_COMPARED_CHARS:
        return None
    names = list(islice(known, _MAX_COMPARED_NAMES))
    folded = {name.lower().replace("-", "_"): name for name in reversed(names)}
    near = extractOne(word.lower().replace("-", "_"), folded.keys(), scorer=Indel.normalized_similarity, score_cutoff=_NEAR)
    return folded[near[0]] if near else None


def is_sure(word: str, near: str, known: Iterable[str]) -> bool:
    """Whether `word` can hardly stand for another one of the `known` names than `near`."""
    folded = word.lower().replace("-", "_")
    likeness = {name: Indel.normalized_similarity(name.lower().replace("-", "_"), folded) for name in known}
    best = likeness.pop(near, 0.0)
    return best >= _SURE and best - max(likeness.values(), default=0.0) >= _CLEARLY_NEARER


def as_written(name: str) -> str:
    """A name as it stands in YAML: in quotes where it would otherwise mean something else."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in _NOT_TEXT else "'" + name.replace("'", "''") + "'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line for an unknown name: the nearest known one, or all of them where they are few; empty otherwise."""
    names = list(islice(known, _MAX_COMPARED_NAMES))
    near = closest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return all_of(names)


def all_of(known: Iterable[str]) -> str:
    """A help line with all known names where they are few; empty otherwise."""
    names = list(islice(known, _MAX_LISTED + 1))
    return "known here: " + ", ".join(f"`{name}`" for name in sorted(names)) if 0 < len(names) <= _MAX_LISTED else ""


def shown(value: object) -> str:
    """A value as a person would write it in YAML or JSON, on one line, shortened, without unprintable characters."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    printable = text[:_MAX_SHOWN_CHARS]
    if not printable.isprintable():
        printable = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in printable)
    return printable + "…" if len(text) > _MAX_SHOWN_CHARS else printable
