"""Two rules directories."""

from pathlib import Path

import pytest

from tests.unit.replays.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """`old` and `new`, the same to begin with."""
    return Project(tmp_path)
