"""`GET /`: the operator's console, a page that shows the engine by asking its other endpoints.

In: the files in `engine/console`, read once. Out: an endpoint for each. Rule of the file: the files hold nothing of the engine, so anybody may have
them; what the page shows it asks for itself, with its reader's token.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

import engine
from engine.event import JsonObject
from engine.ingress.endpoints import Endpoint

PAGE: Final = "index.html"
"""The file that `GET /` answers; the others are at `/console/NAME`."""

_FILES: Final = Path(engine.__file__).parent / "console"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The page loads its own files and asks this engine, and nothing else; text never becomes markup or a script, whoever wrote it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def console_endpoints() -> list[Endpoint]:
    """`GET /`, and the files that the page is made of."""
    return [_endpoint(path) for path in sorted(_FILES.iterdir()) if path.suffix in _TYPES]


def _endpoint(path: Path) -> Endpoint:
    content, kind = path.read_bytes(), _TYPES[path.suffix]
    mark = f'"{sha256(content).hexdigest()[:16]}"'
    headers = {**_HEADERS, "Content-Type": kind, "ETag": mark}

    async def answer(request: Request) -> Response:
        if mark in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    is_page = path.name == PAGE
    operation: JsonObject = {
        "summary": "The operator's console, a page for people" if is_page else f"`{path.name}`, a part of the console",
        "responses": {
            "200": {"description": "The file.", "content": {kind.partition(";")[0]: {"schema": {"type": "string"}}}},
            "304": {"description": "It is still the one that `If-None-Match` names."},
        },
    }
    return Endpoint("GET", "/" if is_page else f"/console/{path.name}", answer, operation, access="open")
