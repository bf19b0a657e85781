"""Results of rule tests as JUnit XML, which CI systems read.

In: results, and what became of mutants. Out: a document with one suite for each file of tests, and one for mutants, a case for each rule. Rule of the file: characters that XML cannot hold are written as their escapes.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from engine.trials.mutants.mutant import Mutant
from engine.trials.mutation import Mutation
from engine.trials.mutation_report import survivor_lines
from engine.trials.reports import failure_lines
from engine.trials.trial import TrialResult

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Sequence[TrialResult], path: Path, mutations: Sequence[Mutation] = ()) -> None:
    """Write the document, and the directories on the way. Raises OSError where it cannot be written."""
    document = JUnitXml("rulemill test")
    for file in dict.fromkeys(result.test.span.file for result in results):
        suite = TestSuite(_text(file))
        for result in results:
            if result.test.span.file == file:
                suite.add_testcase(_case(result))
        document.add_testsuite(suite)
    for mutation in mutations:
        document.add_testsuite(_mutants(mutation))
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


def _mutants(mutation: Mutation) -> TestSuite:
    """A case for each rule, which fails where one of its mutants is alive; one more where some were not tried."""
    suite = TestSuite("mutants")
    for rule_id in dict.fromkeys(mutant.rule_id for mutant in mutation.tried):
        alive = [mutant for mutant in mutation.survivors if mutant.rule_id == rule_id]
        suite.add_testcase(_mutants_case(rule_id, f"{len(alive)} mutants survived" if alive else "", alive))
    if mutation.untried:
        suite.add_testcase(_mutants_case("all mutants are tried", f"{mutation.untried} mutants were not tried", []))
    return suite


def _mutants_case(name: str, message: str, alive: Sequence[Mutant]) -> TestCase:
    """A case that failed where there is a message."""
    case = TestCase(_text(name), classname="mutants", time=0.0)
    if message:
        outcome = Failure(message, "mutant")
        outcome.text = _text("\n".join(line for mutant in alive for line in survivor_lines(mutant)))
        case.result = [outcome]
    return case


def _text(text: str) -> str:
    return _NO_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
