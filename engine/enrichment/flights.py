"""Look-ups under way: each key once, through the chain of places, however many ask for it.

In: keys. Out: a future for each, shared by all who ask while it is under way. Rule of the file: a flight lands, whatever happens, and
nobody's impatience ends it; what it brings is there for the next one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from engine.enrichment.place import Answer, BreakerOpen, Place
from engine.errors import LookupFailed
from engine.ports import Context


class Landed(NamedTuple):
    """An answer as the pipeline sees it. `counted_as` is where it was found, where it is fresh: a name of SourceCounts."""

    context: Context
    counted_as: str = "fetched"


Landing = Callable[[str, Context], Landed]


class Shared(Protocol):
    """What is known of keys without asking a place."""

    async def __call__(self, keys: Sequence[str], *, ahead: bool) -> Mapping[str, Landed]:
        """The keys of these that are known. `ahead`: nobody waits for them."""


Flight = dict[str, asyncio.Future[Landed]]
"""The keys that are asked for together, and have not arrived."""

_GRAVITY: Final = ("negative", "timeout", "breaker_open")


class Flights:
    """Asks the places in turn, each for the keys that those before it did not have, and first of all what is `shared`.

    `land` sees each answer first, with a status of `fresh`, `negative` (every place was asked, and none has it), `timeout` (a place
    failed) or `breaker_open` (a place was not asked), and makes of it what the futures bring. At most `most` keys are under way.
    """

    def __init__(self, places: Sequence[Place], land: Landing, most: int, shared: Shared | None = None) -> None:
        self._places = places
        self._land = land
        self._most = most
        self._shared = shared
        self._flying: dict[str, asyncio.Future[Landed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Keys that are under way."""
        return len(self._flying)

    @property
    def refused(self) -> bool:
        """Whether no place would be asked now."""
        return all(place.refuses for place in self._places)

    def ask(self, keys: Sequence[str], *, ahead: bool = False) -> Mapping[str, asyncio.Future[Landed]]:
        """The future of each key; a key that is not under way and for which there is no room has none. `ahead`: nobody waits for it."""
        new = [key for key in keys if key not in self._flying][: self._most - len(self._flying)]
        loop = asyncio.get_running_loop()
        self._flying.update((key, loop.create_future()) for key in new)
        futures = {key: self._flying[key] for key in keys if key in self._flying}
        flight = {key: futures[key] for key in new}
        if self._shared is not None and new:
            self._start(self._look_first(self._shared, flight, ahead=ahead))
        else:
            self._set_off(flight)
        return futures

    def start(self, keys: Sequence[str]) -> int:
        """As `ask`, for nobody; returns how many were not under way before."""
        before = len(self._flying)
        self.ask(keys, ahead=True)
        return len(self._flying) - before

    async def close(self) -> None:
        """End all flights; who waits for one gets `timeout`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, flight: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(flight)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_first(self, shared: Shared, flight: Flight, *, ahead: bool) -> None:
        """Take what is shared for all keys at once; the others set off."""
        try:
            for key, landed in (await shared(list(flight), ahead=ahead)).items():
                self._settle(flight, key, landed)
        except BaseException:
            for key in list(flight):
                self._arrive(flight, key, Context(None, "timeout"))
            raise
        self._set_off(flight)

    def _set_off(self, flight: Flight) -> None:
        for chunk in _chunks(list(flight), self._places[0].max_keys):
            self._start(self._fly({key: flight[key] for key in chunk}))

    async def _fly(self, flight: Flight) -> None:
        try:
            await self._ask_place(0, flight, list(flight), "negative")
        finally:
            for key in list(flight):
                self._arrive(flight, key, Context(None, "timeout"))

    async def _ask_places_from(self, number: int, flight: Flight, keys: Sequence[str], known: str) -> None:
        """Ask the place of this number, and so on; `known` says what those before it left."""
        if number == len(self._places):
            for key in keys:
                self._arrive(flight, key, Context(None, known))
            return
        chunks = _chunks(keys, self._places[number].max_keys)
        await asyncio.gather(*(self._ask_place(number, flight, chunk, known) for chunk in chunks))

    async def _ask_place(self, number: int, flight: Flight, keys: Sequence[str], known: str) -> None:
        answer = Answer({}, frozenset())
        try:
            answer = await self._places[number].ask(keys)
        except BreakerOpen:
            known = _graver(known, "breaker_open")
        except LookupFailed:
            known = _graver(known, "timeout")
        for key in keys:
            if key in answer.rows:
                self._arrive(flight, key, Context(answer.rows[key], "fresh"))
        left = [key for key in keys if key not in answer.rows]
        unusable = [key for key in left if key in answer.unusable]
        unknown = [key for key in left if key not in answer.unusable]
        await asyncio.gather(
            self._ask_places_from(number + 1, flight, unknown, known),
            self._ask_places_from(number + 1, flight, unusable, _graver(known, "timeout")),
        )

    def _arrive(self, flight: Flight, key: str, context: Context) -> None:
        self._settle(flight, key, self._land(key, context))

    def _settle(self, flight: Flight, key: str, landed: Landed) -> None:
        del self._flying[key]
        flight.pop(key).set_result(landed)


def _graver(known: str, other: str) -> str:
    return max(known, other, key=_GRAVITY.index)


def _chunks(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
