"""What the HTTP interface is made of: one `Endpoint` for each method of each path.

In: a handler, who may call it, and its description. Out: the table that `create_app` serves and `GET /openapi.json` shows.
Rule of the file: an endpoint that says nothing of its access is for administrators.

A group of endpoints is a module with a function that returns them; `engine/ingress/health.py` is the model.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from engine.event import JsonObject

Access = Literal["open", "ingest", "admin"]
"""Who may call: anybody, the holder of a token for ingest, or the holder of one for administration."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path, which is compared as a whole. A GET answers HEAD as well.

    `operation` is the OpenAPI operation: `summary`, `parameters`, `requestBody`, `responses`. What every endpoint may answer
    (401, 403 and 500) is added to it. A handler may raise `Problem`.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    operation: JsonObject
    access: Access = "admin"
