"""The OpenAPI description and the service it describes, compared request by request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.acceptance.processes import Service
from tests.acceptance.samples import write_rules

ADMIN = "admin-token-00000001"
HEADERS = {"Authorization": f"Bearer {ADMIN}"}
# An event may fit the description and still not the rules: that is a 422 by event, and no refusal of the request.
# A request of either kind may bring more events than are explained at once: that is a 413, whatever else is wrong with it.
CONFIG = {
    "generation": {"max-examples": 25, "deterministic": True},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 413, 422]},
        "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "406", "409", "413", "415", "422", "428"]},
    },
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service listens that asks for tokens."""
    project: Path = tmp_path_factory.mktemp("described")
    write_rules(project / "rules")
    with Service(project, HTTP_ADMIN_TOKENS=ADMIN, HTTP_INGEST_TOKENS="ingest-token-0000001") as service:
        yield service.url


@pytest.fixture(scope="module")
def described(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json", config=SchemathesisConfig.from_dict(CONFIG))


NOT_HELD_TO: Final[dict[str, list[CheckFunction]]] = {"/processor/aggregation": [positive_data_acceptance]}
"""No schema says which names and keys there are: one of the right form may still be unknown."""


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_request_that_fits_or_does_not_is_answered_as_described(described: BaseSchema, mode: GenerationMode) -> None:
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        takes_something = operation.definition.raw.keys() & {"parameters", "requestBody"}
        if mode is GenerationMode.NEGATIVE and not takes_something:
            continue

        @settings(max_examples=25, derandomize=True, database=None)
        @given(operation.as_strategy(generation_mode=mode))
        def is_answered_as_described(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=HEADERS, excluded_checks=NOT_HELD_TO.get(case.operation.path, []))

        is_answered_as_described()


def test_every_endpoint_is_described_with_what_it_asks_for(url: str) -> None:
    description = httpx.get(f"{url}/openapi.json").json()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            answer = httpx.request(method, f"{url}{path}")
            assert (answer.status_code == 401) == bool(operation["security"])
            assert operation["summary"]
