"""The SARIF form against the published schema of SARIF 2.1.0, over every bad ruleset."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from engine.rules.compiler import load_ruleset
from engine.rules.reports import FORMS
from tests.integration.node_packages import node_packages

BAD = sorted((Path(__file__).parents[1] / "data" / "rules" / "bad").iterdir())


@pytest.fixture(scope="module")
def schema(checkout: Path) -> Draft7Validator:
    path = node_packages(checkout) / "@microsoft" / "jest-sarif" / "lib" / "schemas" / "sarif-2.1.0-rtm.5.json"
    return Draft7Validator(json.loads(path.read_text()))


def test_every_report_is_valid_sarif(schema: Draft7Validator) -> None:
    for case in BAD:
        loaded = load_ruleset(case, {})

        log = json.loads(FORMS["sarif"](loaded.findings, loaded.sources))

        assert [error.message for error in schema.iter_errors(log)] == [], case.name
        assert len(log["runs"][0]["results"]) == len(loaded.findings)


def test_a_report_without_findings_is_valid_too(schema: Draft7Validator) -> None:
    log = json.loads(FORMS["sarif"]([], {"r.yaml": ""}))

    assert schema.is_valid(log)
    assert log["runs"][0]["results"] == []
