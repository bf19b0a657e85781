"""Findings in the forms that other tools read: SARIF for code scanning, workflow commands for GitHub, JUnit XML for test reports.

In: findings in order, and the texts of the files. Out: one string, ending with a line break. Rule of the file: each form says everything that it has a place for,
and nothing of a finding can end a field of it early.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import PurePath, PurePosixPath
from typing import Final

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from engine import __version__
from engine.rules.code_pages import page_of
from engine.rules.diagnostics import CODES, Edit, Finding
from engine.rules.places import Span
from engine.rules.report_lines import concise_line, printable, total, with_advice

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sarif(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """One SARIF 2.1.0 log; edits are fixes, other places are related locations, and every rule has its page."""
    codes = sorted({finding.code for finding in findings})
    driver = {
        "name": "rulemill",
        "version": __version__,
        "rules": [_sarif_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": _location(file)} for file in sources],
        "results": [_sarif_result(finding, codes.index(finding.code)) for finding in findings],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def github(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """A workflow command for each finding, errors first: of either kind GitHub shows the first ten of a step."""
    ordered = sorted(findings, key=lambda finding: finding.severity)
    return "".join(f"{_command(finding)}\n" for finding in ordered) + f"{total(findings, sources)}\n"


def junit(findings: Sequence[Finding], sources: Mapping[str, str]) -> str:
    """A suite with a case for each file: it fails with the errors in it; warnings are its output."""
    suite = TestSuite("validate-rules")
    by_file = {file: list(found) for file, found in groupby(findings, key=lambda finding: finding.span.file)}
    for file in dict.fromkeys([*sources, *by_file]):
        case = TestCase(_xml(file), classname="rules")
        found = by_file.get(file, [])
        case.result = [_failure(finding) for finding in found if finding.severity == "error"]
        warnings = [concise_line(finding) for finding in found if finding.severity == "warning"]
        if warnings:
            case.system_out = _xml("\n".join(warnings))
        suite.add_testcase(case)
    document = JUnitXml("validate-rules")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # the one method without types
    written: bytes = document.tostring()  # type: ignore[no-untyped-call]  # as above
    return written.decode() + "\n"


def _sarif_rule(code: str) -> dict[str, object]:
    page = page_of(code)
    return {
        "id": code,
        "shortDescription": {"text": CODES[code]},
        "fullDescription": {"text": page.meaning},
        "help": {"text": page.remedy, "markdown": page.markdown()},
        "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
    }


def _sarif_result(finding: Finding, index: int) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": with_advice(finding)},
        "locations": [{"physicalLocation": _physical(finding.span)}],
    }
    if finding.rule_id:
        result["locations"] = [
            {"physicalLocation": _physical(finding.span), "logicalLocations": [{"fullyQualifiedName": finding.rule_id}]}
        ]
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _physical(related.span), "message": {"text": related.message}}
            for number, related in enumerate(finding.related)
        ]
    if finding.edits:
        result["fixes"] = [_sarif_fix(finding.edits)]
    return result


def _sarif_fix(edits: Sequence[Edit]) -> dict[str, object]:
    changes = [
        {
            "artifactLocation": _location(file),
            "replacements": [{"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}} for edit in group],
        }
        for file, group in groupby(edits, key=lambda edit: edit.span.file)
    ]
    return {"description": {"text": "as `validate-rules --fix` writes it"}, "artifactChanges": changes}


def _physical(span: Span) -> dict[str, object]:
    location: dict[str, object] = {"artifactLocation": _location(span.file)}
    return {**location, "region": _region(span)} if span.line else location


def _region(span: Span) -> dict[str, object]:
    return {"startLine": span.line, "startColumn": span.col, "endLine": span.end_line, "endColumn": span.end_col}


def _location(file: str) -> dict[str, object]:
    path = PurePath(file)
    return {"uri": path.as_uri() if path.is_absolute() else PurePosixPath("/", path.as_posix()).as_uri().removeprefix("file:///")}


def _command(finding: Finding) -> str:
    span = finding.span
    properties = {"file": span.file, "title": f"{finding.code} {CODES[finding.code]}"}
    if span.line:
        properties |= {"line": str(span.line), "col": str(span.col), "endLine": str(span.end_line)}
        properties |= {"endColumn": str(span.end_col)} if span.line == span.end_line else {}
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{finding.severity} {written}::{_data(with_advice(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _failure(finding: Finding) -> Failure:
    failure = Failure(_xml(with_advice(finding)), finding.code)
    failure.text = _xml(concise_line(finding))
    return failure


def _xml(text: str) -> str:
    return _NO_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), printable(text) if "\n" not in text else text)
