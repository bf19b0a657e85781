"""Log lines: where they go and what they look like.

In: settings. Out: every logger of this process, those of the libraries as well, writes to standard error in one form. Rule of the file: a line
is for operators; it never shows what stood in an event, but at level debug.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from engine.settings import LogSettings

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TEXT_OF_WORKER: Final = "%(asctime)s %(levelname)s worker {}: %(name)s: %(message)s"
_FIELDS: Final = ("levelname", "name", "message")
_NAMES: Final = {"levelname": "level", "name": "logger"}
_CHATTY: Final = {"asyncio": logging.WARNING, "uvicorn.error": logging.ERROR}
"""Loggers that tell what nobody asked, and the level from which they are heard: at `warning` uvicorn has a line for all that is no HTTP."""


def set_up_logs(settings: LogSettings, worker: int | None = None) -> None:
    """Write all loggers' lines to standard error, from now on; a second call replaces the first.

    Where several processes write there, `worker` is the number of this one, and every line has it.
    """
    handler = logging.StreamHandler(sys.stderr)
    text = _TEXT if worker is None else _TEXT_OF_WORKER.format(worker)
    handler.setFormatter(_Json(worker) if settings.format == "json" else _Text(text))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, heard_from in _CHATTY.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == logging.DEBUG else max(level, heard_from))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Text(logging.Formatter):
    """One line of words, and more for an error's traceback."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the library's name
        del datefmt
        return _time(record)


class _Json(JsonFormatter):
    """One object a line: `time`, `level`, `logger`, `message`, `worker` where there are several, and `exc_info` where there is an error."""

    def __init__(self, worker: int | None) -> None:
        self._worker = worker
        super().__init__(_FIELDS, rename_fields=_NAMES, reserved_attrs=[*RESERVED_ATTRS, "color_message"])

    def add_fields(self, log_data: dict[str, object], record: logging.LogRecord, message_dict: dict[str, object]) -> None:
        log_data["time"] = _time(record)
        if self._worker is not None:
            log_data["worker"] = self._worker
        super().add_fields(log_data, record, message_dict)
