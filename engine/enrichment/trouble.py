"""What is said of something outside that fails: one line when it begins, one when it is over, however much lies between.

In: failures and answers, as they come. Out: log lines, and for whoever asks what is wrong now.
"""

import logging
from typing import Final

from engine.ports import Clock

_log = logging.getLogger(__name__)
_RECOVERED_AFTER_MS: Final = 10_000
_MAX_REASON_CHARS: Final = 300
_FAILING_AFTER: Final = 3
"""Failures in a row that are no accident any more."""


class Trouble:
    """From the first failure to the first answer after ten seconds without one: two log lines. `name` says whose they are."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._since_ms: int | None = None
        self._last_ms = 0
        self._failures = 0
        self._in_a_row = 0
        self._reason = ""

    @property
    def problem(self) -> str | None:
        """Why it fails, where its last three requests have failed, or more; else None."""
        return self._reason if self._in_a_row >= _FAILING_AFTER else None

    @property
    def last_reason(self) -> str:
        """Why it failed last, however long ago; empty where it never has."""
        return self._reason

    def goes_on(self, reason: str) -> None:
        """It has failed."""
        self._last_ms = self._clock.monotonic_ms()
        self._failures += 1
        self._in_a_row += 1
        self._reason = " ".join(reason.split())[:_MAX_REASON_CHARS]
        if self._since_ms is None:
            self._since_ms = self._last_ms
            _log.warning("%s fails: %s", self._name, self._reason)

    def over(self) -> None:
        """It has answered."""
        self._in_a_row = 0
        if self._since_ms is None:
            return
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._last_ms >= _RECOVERED_AFTER_MS:
            _log.warning(
                "%s answers again, after %d s and %d failures", self._name, (now_ms - self._since_ms) // 1000, self._failures
            )
            self._since_ms, self._failures = None, 0

    def breaker(self, before: str, now: str) -> None:
        """Its breaker was in one state, and is in another."""
        if before == "closed" and now == "open":
            _log.warning("%s is left alone: its breaker opened; last: %s", self._name, self._reason)
