"""The body of a request, read and unpacked within its limit.

In: a request. Out: its bytes. Rule of the file: no more of a body is kept than the limit, as it is sent and unpacked, and no more of all
bodies together than theirs; what is known to be more is not read.
"""

import asyncio
from typing import Final

from starlette.requests import Request

from engine.ingress.inflate import ENCODINGS, Inflater, Plain
from engine.ingress.problems import RequestRefused
from engine.rules.diagnostics import shown

_MAX_LENGTH_DIGITS: Final = 18
_PIECES_AT_ONCE: Final = 16


class BodyBudget:
    """Bytes that all bodies being read may have together: `max_bytes`. One alone is not held to it.

    `in_use_bytes` is what they have now. A body that is there with its head never waits, and has no part in it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.in_use_bytes = 0

    def kept(self) -> dict[str, int]:
        """What is in use, and how much may be."""
        return {"body_bytes": self.in_use_bytes, "body_max_bytes": self.max_bytes}

    def take(self, size_bytes: int, held_bytes: int) -> None:
        """Add to a body that has `held_bytes`. Raises RequestRefused, with nothing taken, where all together are too much."""
        others_bytes = self.in_use_bytes - held_bytes
        if others_bytes and self.in_use_bytes + size_bytes > self.max_bytes:
            raise RequestRefused(503, "too_many_bodies", "too much is being sent to this service at once; send this again later")
        self.in_use_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Let go of a body that is read, or refused."""
        self.in_use_bytes -= size_bytes


async def read_body(request: Request, limit_bytes: int, budget: BodyBudget | None = None) -> bytes:
    """The whole body, unpacked.

    Raises RequestRefused: 413 as soon as it is known to be larger than `limit_bytes`, 415 and 501 for encodings that are not taken, 400
    where it is broken or ends early, 503 where the budget is used up.
    """
    _check_transfer(request)
    encoding = _encoding(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > _MAX_LENGTH_DIGITS or int(announced) > limit_bytes):
        raise too_large(limit_bytes)
    body = _Body(limit_bytes, budget or BodyBudget(limit_bytes))
    try:
        await _read_into(body, request, encoding)
    finally:
        body.budget.give_back(body.size_bytes)
    return b"".join(body.pieces)


class _Body:
    def __init__(self, limit_bytes: int, budget: BodyBudget) -> None:
        self.limit_bytes = limit_bytes
        self.budget = budget
        self.size_bytes = 0
        self.pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises RequestRefused where that is too much."""
        if self.size_bytes + len(piece) > self.limit_bytes:
            raise too_large(self.limit_bytes)
        self.budget.take(len(piece), self.size_bytes)
        self.size_bytes += len(piece)
        self.pieces.append(piece)


async def _read_into(body: _Body, request: Request, encoding: Plain | Inflater) -> None:
    sent_bytes = count = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "incomplete_body", "the connection ended before the body did")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        sent_bytes += len(chunk)
        if sent_bytes > body.limit_bytes:
            raise too_large(body.limit_bytes)
        for piece in encoding.feed(chunk):
            body.add(piece)
            count += 1
            if count % _PIECES_AT_ONCE == 0:
                await asyncio.sleep(0)
    encoding.finish()


def _check_transfer(request: Request) -> None:
    coding = request.headers.get("transfer-encoding", "chunked").strip().lower()
    if coding != "chunked":
        detail = f"the transfer encoding `{shown(coding)}` is not taken; send `chunked`, and name what packs the body in `Content-Encoding`"
        raise RequestRefused(501, "unsupported_transfer_encoding", detail)


def _encoding(request: Request) -> Plain | Inflater:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return Plain()
    if not Inflater.knows(encoding):
        known = ", ".join(ENCODINGS)
        detail = f"the content encoding `{shown(encoding)}` is not taken; send the body as it is, or one of {known}"
        raise RequestRefused(415, "unsupported_content_encoding", detail, {"Accept-Encoding": known})
    return Inflater(encoding)


def too_large(limit_bytes: int) -> RequestRefused:
    """What is said of a body with more bytes than the limit."""
    detail = f"the body has more than {limit_bytes} bytes; send the events in several requests"
    return RequestRefused(413, "body_too_large", detail)
