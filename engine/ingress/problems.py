"""Requests that are refused as a whole.

In: nothing; whoever reads a request raises it. Out: what `create_app` answers as an RFC 9457 problem. Rule of the file: no HTTP library,
so that bodies can be read without one.
"""

from collections.abc import Mapping


class RequestRefused(Exception):
    """A request that cannot be taken. `status` is the HTTP status, `code` a stable word for programs, `detail` is for people."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
