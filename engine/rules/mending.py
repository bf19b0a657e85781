"""Mending: the edits that findings carry, made, tried and kept only where they help.

In: a rules directory. Out: the bytes its files should have, and what is still found in them. Rule of the file: it writes nothing; an edit
after which its finding is still there, or another one stands in its place, is not made.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.rules.compiler import Loaded, load_ruleset
from engine.rules.diagnostics import Edit, Finding
from engine.rules.edits import Places, apply, compatible
from engine.rules.snapshot import KeptFiles, relative_to

_MAX_ROUNDS: Final = 10
_LOST_ANCHOR: Final = "E104"
_MARK: Final = b"\xef\xbb\xbf"

_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Mended:
    """`files` has the new bytes of those that change, by path as findings name them; `edits` is how many findings were mended."""

    loaded: Loaded
    before: Mapping[str, bytes]
    files: Mapping[str, bytes]
    edits: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """Some findings with their edits made; `written` are the offsets of the new texts by file."""

    findings: Sequence[Finding]
    files: Mapping[str, bytes]
    written: Mapping[str, Sequence[tuple[int, int]]]


def mend(directory: Path, environ: Mapping[str, str], source_kinds: Collection[str]) -> Mended:
    """Make all edits of all findings, those that appear after the first ones too, until there are none left.

    Raises RulesUnreadable as `load_ruleset` does.
    """
    loaded = load_ruleset(directory, environ, source_kinds)
    before = loaded.contents.files
    files = dict(before)
    refused: set[_Key] = set()
    made = 0
    for _ in range(_MAX_ROUNDS):
        tried = _try(loaded.findings, files, refused)
        if not tried.findings:
            break
        kept = KeptFiles(directory, relative_to(directory, {**files, **tried.files}))
        after = load_ruleset(directory, environ, source_kinds, kept)
        wrong = _without_use(tried, loaded.findings, after)
        if wrong:
            refused |= wrong
            continue
        files.update(tried.files)
        loaded = after
        made += len(tried.findings)
    changed = {file: data for file, data in files.items() if data != before.get(file)}
    return Mended(loaded, before, changed, made)


def _key(finding: Finding) -> _Key:
    return finding.code, finding.message, finding.span.file, finding.rule_id


def _try(findings: Sequence[Finding], files: Mapping[str, bytes], refused: Collection[_Key]) -> _Tried:
    """Make the edits of as many findings as go together."""
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.edits and _key(finding) not in refused and {edit.span.file for edit in finding.edits} == {finding.span.file}:
            by_file.setdefault(finding.span.file, []).append(finding)
    chosen: list[Finding] = []
    changed: dict[str, bytes] = {}
    written: dict[str, Sequence[tuple[int, int]]] = {}
    for file, mendable in by_file.items():
        data = files[file]
        text = data.decode("utf-8-sig")
        places = Places(text)
        together = [mendable[index] for index in compatible([finding.edits for finding in mendable], places)]
        new, written[file] = apply(text, _edits(together))
        changed[file] = (_MARK if data.startswith(_MARK) else b"") + new.encode()
        chosen += together
    return _Tried(chosen, changed, written)


def _edits(findings: Sequence[Finding]) -> list[Edit]:
    return [edit for finding in findings for edit in finding.edits]


def _without_use(tried: _Tried, before: Sequence[Finding], after: Loaded) -> set[_Key]:
    """The findings whose edits must not be made: they are still there, or something new is wrong with what was written."""
    was, now = Counter(map(_key, before)), Counter(map(_key, after.findings))
    places = {file: Places(after.sources[file]) for file in tried.files}
    made_on: dict[tuple[str, int], set[_Key]] = {}
    for finding in tried.findings:
        for edit in finding.edits:
            made_on.setdefault((edit.span.file, edit.span.line), set()).add(_key(finding))
    wrong = {_key(finding) for finding in tried.findings if not _is_syntax(finding) and now[_key(finding)] >= was[_key(finding)]}
    for new in after.findings:
        file = new.span.file
        if file not in places or (_key(new) in was and not _is_syntax(new)):
            continue
        start, _ = places[file].range(new.span)
        if _is_syntax(new):
            if new.code == _LOST_ANCHOR or start <= tried.written[file][-1][1]:
                wrong |= {_key(finding) for finding in tried.findings if finding.span.file == file}
        elif _stands_in(start, tried.written[file]):
            wrong |= {key for line in range(new.span.line - 1, new.span.line + 2) for key in made_on.get((file, line), ())}
    return wrong


def _stands_in(offset: int, written: Sequence[tuple[int, int]]) -> bool:
    """Whether the offset is in one of the ranges, which are in order, or just behind it."""
    at = bisect_right(written, (offset, offset))
    return any(first <= offset <= last for first, last in written[max(0, at - 1) : at + 1])


def _is_syntax(finding: Finding) -> bool:
    """Whether the finding is about the file as YAML: of those only the first is seen, and mending it shows the next."""
    return finding.code.startswith("E10")
