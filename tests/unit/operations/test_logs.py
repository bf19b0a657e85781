"""Log lines, as they come out of a process of their own."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
from engine.operations.logs import set_up_logs
from engine.settings import LogSettings
set_up_logs(LogSettings(format="{format}", level="{level}"))
log = logging.getLogger("engine.somewhere")
log.debug("detail")
log.info("%d things", 3)
logging.getLogger("uvicorn.error").info("started", extra={{"color_message": "in colour"}})
logging.getLogger("uvicorn.error").error("uvicorn in trouble")
try:
    {{}}["x"]
except KeyError:
    log.exception("it broke")
"""


def lines(format: str, level: str) -> list[str]:
    program = PROGRAM.format(format=format, level=level)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_text_has_a_time_a_level_and_a_name() -> None:
    first, *_ = lines("text", "info")

    time, rest = first.split(" ", 1)
    assert time.endswith("Z")
    assert rest == "INFO engine.somewhere: 3 things"


def test_json_is_one_object_a_line_tracebacks_included() -> None:
    things, trouble, broken = map(json.loads, lines("json", "info"))

    assert list(things) == ["time", "level", "logger", "message"]
    assert (things["level"], things["logger"], things["message"]) == ("INFO", "engine.somewhere", "3 things")
    assert (trouble["logger"], trouble["message"]) == ("uvicorn.error", "uvicorn in trouble")
    assert broken["message"] == "it broke"
    assert "KeyError: 'x'" in broken["exc_info"]


@pytest.mark.parametrize(
    ("level", "messages"),
    [
        ("debug", ["detail", "3 things", "started", "uvicorn in trouble", "it broke"]),
        ("info", ["3 things", "uvicorn in trouble", "it broke"]),
        ("warning", ["uvicorn in trouble", "it broke"]),
    ],
)
def test_the_level_is_that_of_all_loggers_and_the_server_is_quiet_about_itself(level: str, messages: list[str]) -> None:
    assert [json.loads(line)["message"] for line in lines("json", level)] == messages
