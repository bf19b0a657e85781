"""The wheel that the image is made of: built from what the image copies, installed away from the checkout, it has all that the engine reads."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.acceptance.processes import ROOT, TIMEOUT_S
from tests.containerfile import copied, stages


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Containerfile builds it, from copies of the same files."""
    source = tmp_path_factory.mktemp("source")
    for name in copied(stages(ROOT)[0]):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (source / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are in a fresh environment that has the wheel, and of this one only what the engine depends on."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=place)
    (site_packages,) = place.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # read without its own `.pth`: no checkout
    assert Path(run(python, "-c", "import engine; print(engine.__file__)", cwd=place)).is_relative_to(place)
    return python.parent


def run(*command: object, cwd: Path) -> str:
    environ = {"PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip()


@contextmanager
def demo(commands: Path, directory: Path) -> Iterator[httpx.Client]:
    """A client of `rulemill serve --demo`, in a directory that has no rules; it ends well when it is told to."""
    environ = {"PATH": os.environ["PATH"], "HTTP_PORT": "0"}
    with subprocess.Popen(
        [commands / "rulemill", "serve", "--demo"], cwd=directory, env=environ, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        try:
            url = service.stdout.readline().removeprefix("rulemill: listening on ").strip()
            with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:
                yield client
            service.terminate()
            assert service.wait(TIMEOUT_S) == 0
        finally:
            service.kill()


def test_the_wheel_has_every_file_of_the_engine_and_the_default_rules(wheel: Path) -> None:
    there = set(ZipFile(wheel).namelist())
    of_engine = {path.relative_to(ROOT) for path in (ROOT / "engine").rglob("*") if path.is_file()}
    of_rules = {path.relative_to(ROOT) for name in ("rules", "schemas") for path in (ROOT / name).rglob("*") if path.is_file()}

    assert {path for path in of_engine if "__pycache__" not in path.parts and str(path) not in there} == set()
    assert {path for path in of_rules if f"engine/defaults/{path}" not in there} == set()


def test_commands_work_away_from_the_checkout(commands: Path, tmp_path: Path) -> None:
    for name in ("rules", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)

    assert "run the service" in run(commands / "rulemill", "--help", cwd=tmp_path)
    assert run(commands / "validate-rules", "rules", cwd=tmp_path).startswith("no findings")
    assert "# E209" in run(commands / "validate-rules", "--explain", "E209", cwd=tmp_path)


def test_the_demo_serves_away_from_the_checkout(commands: Path, tmp_path: Path) -> None:
    with demo(commands, tmp_path) as client:
        deadline_s = time.monotonic() + TIMEOUT_S
        while client.get("/processor/status").json()["ledger"]["accepted"] < 10:
            assert time.monotonic() < deadline_s, "the traffic of the demo does not come in"
            time.sleep(0.05)
        status = client.get("/processor/status").json()
        pages = [client.get(path).status_code for path in ("/readyz", "/metrics", "/openapi.json", "/processor/filters")]

    assert (status["status"], pages) == ("ok", [200, 200, 200, 200])
    assert (tmp_path / "out" / "events.enriched.ndjson").read_text().count("\n") >= 10
