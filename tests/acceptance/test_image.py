"""What the image says of its own health, asked of a service as the image starts it."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.acceptance.processes import TIMEOUT_S, Service, environment
from tests.containerfile import stages


def test_the_image_is_healthy_while_its_service_answers_at_whatever_port_is_set(checkout: Path, project: Path) -> None:
    python, *words = next(one.listed for one in stages(checkout)[-1] if one.word == "HEALTHCHECK")
    assert python == "python"

    def asked(port: int | None) -> int:
        command = [sys.executable, *words]
        return subprocess.run(
            command, env=environment(HTTP_PORT=str(port)), capture_output=True, timeout=TIMEOUT_S, check=False
        ).returncode

    with Service(project) as service:
        port = httpx.URL(service.url).port
        assert asked(port) == 0
        service.kill()
        assert asked(port) == 1
