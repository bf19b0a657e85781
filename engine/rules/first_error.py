"""What goes wrong in generated code and in stages is counted each time, and said once.

In: errors that were caught where an event met them. Out: one log line. Rule of the file: a log line never holds what stood in an
event; the text of an error is shown only where it is known to speak of types.
"""

import logging
from typing import Final

_log = logging.getLogger(__name__)

_SPEAK_OF_TYPES: Final = (ArithmeticError, AttributeError, NameError, RecursionError, TypeError)
_MAX_CHARS: Final = 200


class FirstError:
    """Logs the first error of `subject`, words such as ``filter `x` ``, for as long as this object lives; later ones cost next to nothing.

    The error with its traceback, which may quote the event, is logged at level debug.
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
        _log.warning("%s: %s; later errors of it are counted and not logged", self._subject, told(error))
        _log.debug("%s: the error in full", self._subject, exc_info=error)


def told(error: BaseException) -> str:
    """The error for a log line: its type, and its text where that cannot quote an event."""
    kind = type(error).__name__
    return f"{kind}: {str(error)[:_MAX_CHARS]}" if isinstance(error, _SPEAK_OF_TYPES) else f"{kind} (level debug shows its text)"
