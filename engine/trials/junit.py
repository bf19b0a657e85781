"""Results of rule tests as JUnit XML, which CI systems read.

In: results. Out: a document with one suite for each file of tests. Rule of the file: characters that XML cannot hold are written as their escapes.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from engine.trials.reports import failure_lines
from engine.trials.trial import TrialResult

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Sequence[TrialResult], path: Path) -> None:
    """Write the document, and the directories on the way. Raises OSError where it cannot be written."""
    document = JUnitXml("rulemill test")
    for file in dict.fromkeys(result.test.span.file for result in results):
        suite = TestSuite(_text(file))
        for result in results:
            if result.test.span.file == file:
                suite.add_testcase(_case(result))
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # the one method without types
    path.parent.mkdir(parents=True, exist_ok=True)
    document.write(str(path), pretty=True)


def _case(result: TrialResult) -> TestCase:
    case = TestCase(_text(result.test.name), classname=_text(result.test.span.file), time=result.seconds)
    if not result.passed:
        lines = list(failure_lines(result))
        kind = Error if result.error else Failure
        outcome = kind(_text(lines[1].strip() if len(lines) > 1 else lines[0]), "error" if result.error else "expectation")
        outcome.text = _text("\n".join(lines))
        case.result = [outcome]
    return case


def _text(text: str) -> str:
    return _NO_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
