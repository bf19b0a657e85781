"""When to look at the rules directory: every so often, at once where the file system tells, and when somebody asks.

In: time, notices of changed files, requests. Out: calls of the reloader, one after the other. Rule of the file: notices only make it faster;
whatever they miss is found by the next look.
"""

import asyncio
import logging
from contextlib import aclosing
from typing import Any, Protocol

from watchfiles import awatch

from engine.operations.rules_on_disk import RulesOnDisk
from engine.ports import Clock

_NOTICE_MS = 1_000
_log = logging.getLogger("rulemill.rules")


class Reloads(Protocol):
    """Who takes up what a directory holds."""

    on_disk: RulesOnDisk

    async def look(self) -> object:
        """Take it up if it is other than before."""

    async def reload(self) -> object:
        """Take it up."""


class RulesWatch:
    """Looks every `poll_ms`, never where that is None. With `notices`, a changed file is seen at once."""

    def __init__(self, reloader: Reloads, clock: Clock, *, poll_ms: int | None, notices: bool) -> None:
        self._reloader = reloader
        self._clock = clock
        self._poll_ms = poll_ms
        self._notices = notices
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()

    def ask(self) -> None:
        """Reload, whatever the setting."""
        self._asked.set()
        self._changed.set()

    async def run(self) -> None:
        """Look until cancelled."""
        listening = asyncio.create_task(self._listen()) if self._notices and self._poll_ms is not None else None
        try:
            while True:
                await self._next()
                await self._look()
        finally:
            self._stop.set()
            if listening is not None:
                await listening

    async def _look(self) -> None:
        asked = self._asked.is_set()
        self._asked.clear()
        try:
            await (self._reloader.reload() if asked else self._reloader.look())
        except Exception:  # noqa: BLE001 - a bug in one attempt must not end all later ones
            _log.exception("the rules could not be looked at; those in service go on")

    async def _next(self) -> None:
        """Return when it is time to look."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if self._poll_ms is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(self._poll_ms)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._changed.clear()

    async def _listen(self) -> None:
        """Pass on what the file system tells, until stopped; where it tells nothing, time has to do."""
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it counts every notice in the log
        while not self._stop.is_set():
            places = [place for place in self._reloader.on_disk.places if place.is_dir()]
            try:
                await self._listen_at([str(place) for place in places])
            except (OSError, RuntimeError) as error:
                _log.info("no notices of changed rules, which are looked at every %s ms all the same: %s", self._poll_ms, error)
                return

    async def _listen_at(self, places: list[str]) -> None:
        """Return when stopped, or when other directories are to be listened at."""
        notices = awatch(*places, watch_filter=None, stop_event=self._stop, rust_timeout=_NOTICE_MS, yield_on_timeout=True)
        async with aclosing(notices):
            async for changes in notices:
                if changes:
                    self._changed.set()
                if places != [str(place) for place in self._reloader.on_disk.places if place.is_dir()]:
                    return
