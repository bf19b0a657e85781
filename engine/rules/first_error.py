"""What goes wrong in generated code and in stages is counted each time, and said once.

In: errors that were caught where an event met them. Out: one log line. Rule of the file: a log line never holds what stood in an
event. The text of an error may quote it, whoever raised it; so a line has the error's type and its place.
"""

import logging
import traceback

_log = logging.getLogger(__name__)


class FirstError:
    """Logs the first error of `subject`, words such as ``filter `x` ``, for as long as this object lives; later ones cost next to nothing.

    The error with its text and its traceback is logged at level debug.
    """

    __slots__ = ("_said", "_subject")

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._said = False

    def __call__(self, error: Exception) -> None:
        """Take an error that was caught and counted."""
        if self._said:
            return
        self._said = True
        _log.warning(
            "%s: %s; its text is shown at level debug, and later errors are only counted", self._subject, place_of(error)
        )
        _log.debug("%s: the error in full", self._subject, exc_info=error)


def place_of(error: BaseException) -> str:
    """The error's type and where it was raised: ``TypeError in `add`, package/file.py:7``."""
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return kind
    frame = frames[-1]
    file = "/".join(frame.filename.split("/")[-2:])
    return f"{kind} in `{frame.name}`, {file}:{frame.lineno}"
