"""Dead letters sent again to a running service.

In: letters. Out: `POST /events` of their events as they came in, and how each ended. Rule of the file: a letter is noted as replayed when the service
has answered for it, and never before. What the service asks to be sent again is sent again; what it asks to wait for is waited for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol

import aiohttp
import orjson

from engine.egress.letters import Letter
from engine.errors import RulemillError
from engine.event import ACCEPTED, BLOCKED, DUPLICATE, REJECTED, RETRY
from engine.ports import Clock

BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 1 << 20

_ENDED: Final = (ACCEPTED, DUPLICATE, BLOCKED)
_KEPT_AGAIN: Final = ("refused", "unencodable", "poison")
"""Codes of rejections for which the service keeps a new letter: the old one has had its replay."""
_ATTEMPTS: Final = 10
_LONGEST_WAIT_S: Final = 60
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
_ANSWERS: Final = (202, 207, 422, 503)


class ReplayStopped(RulemillError):
    """The service cannot be reached, or takes nothing. What was not answered for is as it was; replay again."""


class Notes(Protocol):
    """Where it is noted that letters were replayed."""

    def add(self, letters: Iterable[tuple[Letter, str]], now_ms: int) -> None:
        """Keep the notes; on return they are safe."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request came to: an outcome and a code for each event, and how long the service wants to be left alone."""

    ended: Sequence[tuple[str, str]]
    wait_s: int


class Replay:
    """One replay. `counts` has the letters by how they ended; those that `retry` and most that are `rejected` stay as they are."""

    def __init__(self, session: aiohttp.ClientSession, url: str, notes: Notes, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self.rejections: Counter[str] = Counter()
        self._session = session
        self._url = url
        self._notes = notes
        self._clock = clock

    async def run(self, letters: Iterable[Letter]) -> None:
        """Send the letters, in order. Raises ReplayStopped, OSError where a note cannot be kept."""
        for batch in _batches(self._sendable(letters)):
            await self._carry(batch)

    def _sendable(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, bytes]]:
        for letter in letters:
            line = as_line(letter.raw)
            if line is None:
                self._end([(letter, REJECTED, "not_json")])
            else:
                yield letter, line

    async def _carry(self, batch: Sequence[tuple[Letter, bytes]]) -> None:
        """See a batch to its end: what is to be sent again is, a few times."""
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._post(batch)
            if answer is None:
                half = len(batch) // 2
                await self._carry(batch[:half])
                await self._carry(batch[half:])
                return
            ended = list(zip(batch, answer.ended, strict=True))
            last = attempt == _ATTEMPTS
            self._end([(letter, *end) for (letter, _), end in ended if end[0] != RETRY or last])
            batch = [item for item, end in ended if end[0] == RETRY]
            if not batch or last:
                return
            await self._clock.sleep(answer.wait_s * 1000)

    async def _post(self, batch: Sequence[tuple[Letter, bytes]]) -> _Answer | None:
        """One request, and again while the service has no room; None where the batch is too large for one."""
        body = b"\n".join(line for _, line in batch)
        for _ in range(_ATTEMPTS):
            status, headers, content = await self._request(body)
            wait_s = _wait_s(headers)
            if status in _ANSWERS and "results" in content:
                return _Answer(_ended(content, len(batch)), wait_s)
            if status == 413:
                return None if len(batch) > 1 else _Answer([(REJECTED, str(content.get("code", "")))], 0)
            if status not in {429, 503}:
                raise ReplayStopped(f"`{self._url}` answers {status}: {content.get('detail') or 'no reason given'}")
            await self._clock.sleep(wait_s * 1000)
        raise ReplayStopped(f"`{self._url}` has had no room for {_ATTEMPTS} times: {content.get('detail') or 'no reason given'}")

    async def _request(self, body: bytes) -> tuple[int, Mapping[str, str], Mapping[str, object]]:
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            async with self._session.post(
                self._url, params={"results": "all"}, data=BytesIO(body), headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, response.headers, _object(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ReplayStopped(f"`{self._url}` does not answer: {str(error) or type(error).__name__}") from error

    def _end(self, ended: Sequence[tuple[Letter, str, str]]) -> None:
        for _, status, code in ended:
            self.counts[status] += 1
            if status == REJECTED:
                self.rejections[code] += 1
        done = [(letter, status) for letter, status, code in ended if status in _ENDED or code in _KEPT_AGAIN]
        self._notes.add(done, self._clock.now_ms())


def as_line(raw: bytes) -> bytes | None:
    """The event as a line of NDJSON; None where it cannot be one: it is blank, or has line breaks and is not JSON.

    Line breaks of JSON stand between its tokens alone, so a blank does for them and nothing of the event changes.
    """
    if not raw.strip():
        return None
    if b"\n" not in raw:
        return raw
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return raw.replace(b"\n", b" ")


def _batches(items: Iterable[tuple[Letter, bytes]]) -> Iterator[list[tuple[Letter, bytes]]]:
    batch: list[tuple[Letter, bytes]] = []
    size_bytes = 0
    for letter, line in items:
        if batch and (len(batch) >= BATCH_EVENTS or size_bytes + len(line) > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append((letter, line))
        size_bytes += len(line) + 1
    if batch:
        yield batch


def _ended(content: Mapping[str, object], events: int) -> list[tuple[str, str]]:
    """The status and the code of each event. An answer that leaves one out says nothing of it: it is to be sent again."""
    ended = [(RETRY, "")] * events
    results = content["results"]
    for result in results if isinstance(results, list) else ():
        index = result.get("index") if isinstance(result, dict) else None
        if isinstance(index, int) and 0 <= index < events:
            ended[index] = (str(result.get("status")), str(result.get("code", "")))
    return ended


def _wait_s(headers: Mapping[str, str]) -> int:
    text = headers.get("Retry-After", "")
    return min(int(text), _LONGEST_WAIT_S) if text.isdecimal() else 1


def _object(body: bytes) -> Mapping[str, object]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
