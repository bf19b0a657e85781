"""A running engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.operations.engines import Engine, running


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path) as engine:
        yield engine
