"""The body of a request, read within its limit.

In: a request. Out: its bytes. Rule of the file: no more of a body is kept than the limit, and none is read that is known to be larger.
"""

from typing import Final

from starlette.requests import ClientDisconnect, Request

from engine.ingress.bodies import body_too_large
from engine.ingress.problems import RequestRefused
from engine.rules.diagnostics import shown

_MAX_LENGTH_DIGITS: Final = 18


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    Raises RequestRefused: 413 as soon as it is known to be larger than `limit_bytes`, 415 where it is compressed, 400 where it
    ends early.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = f"the content encoding `{shown(encoding)}` is not taken; send the body as it is"
        raise RequestRefused(415, "unsupported_content_encoding", detail)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > _MAX_LENGTH_DIGITS or int(announced) > limit_bytes):
        raise body_too_large(limit_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > limit_bytes:
                raise body_too_large(limit_bytes)
            body += chunk
    except ClientDisconnect:
        raise RequestRefused(400, "incomplete_body", "the connection ended before the body did") from None
    return bytes(body)
