"""The HTTP interface over a service that decodes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from engine.ingress.http import create_app
from tests.unit.ingress.services import DecodingService


@pytest.fixture
def service() -> DecodingService:
    return DecodingService()


@pytest.fixture
async def client(service: DecodingService) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        yield client
