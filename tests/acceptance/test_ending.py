"""What is said when a command ends: nothing that is of no use to whoever ended it."""

from pathlib import Path

import pytest

from tests.acceptance.crews import status, wait_until
from tests.acceptance.processes import Service


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_keeps_sketches_ends_without_a_word_about_its_memory(checkout: Path, tmp_path: Path, workers: str) -> None:
    with Service(tmp_path, "--demo", "--rules", str(checkout / "rules"), EVENT_PROCESSOR_WORKERS=workers) as service:
        wait_until(lambda: status(service)["ledger"]["accepted"] > 250, "events to be counted")

        assert service.terminate() == 0

    assert "leaked" not in service.log
