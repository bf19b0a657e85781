"""`POST /events` for requests that are there as a whole: they are taken and answered by calls, without a task of their own.

In: the head and the body of a request. Out: one call with its answer. Rule of the file: the answer is the one that the endpoint gives; what
has to wait for anything but its events, or for more of itself, is left to that.
"""

import logging
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from engine.event import Submission
from engine.ingress.access import AccessPolicy
from engine.ingress.bodies import Headers, read_items
from engine.ingress.events import EVENTS_PATH, hand_in, new_submission
from engine.ingress.explained import HEADER
from engine.ingress.problems import RequestRefused
from engine.ingress.request_body import too_large
from engine.ingress.responses import answer, internal_error, refusal
from engine.ingress.service import Service

_URL: Final = EVENTS_PATH.encode()
_FOR_THE_ENDPOINT: Final = frozenset({b"content-encoding", b"expect", b"transfer-encoding", HEADER.lower().encode()})
_IN_CHUNKS: Final = (b"transfer-encoding", b"chunked")
_log = logging.getLogger(__name__)

Reply = Callable[[Response], None]


class WholeRequests:
    """Takes requests for the service, from whom the policy lets in."""

    def __init__(self, service: Service, policy: AccessPolicy) -> None:
        self._service = service
        self._policy = policy

    def suits(self, method: bytes, url: bytes, headers: Headers) -> bool:
        """Whether a request with this head is for here, once its body is there. Names of headers are in lower case."""
        return (
            url == _URL
            and method == b"POST"
            and _FOR_THE_ENDPOINT.isdisjoint([header[0] for header in headers if header != _IN_CHUNKS])
        )

    def take(self, headers: Headers, body: bytes, reply: Reply) -> None:
        """Take a request that suits. `reply` is called once, now or when the last event has ended; nothing is raised."""
        try:
            self._take(headers, body, reply)
        except RequestRefused as refused:
            reply(refusal(refused))
        except Exception:  # noqa: BLE001 - whatever a bug raises is told to the sender as such, and kept in the log
            _log.exception("a request failed: POST %s", EVENTS_PATH)
            reply(internal_error())

    def _take(self, headers: Headers, body: bytes, reply: Reply) -> None:
        service, limits = self._service, self._service.limits
        authorization = next((value.decode("latin-1") for name, value in headers if name == b"authorization"), None)
        self._policy.check("ingest", authorization)
        if len(body) > limits.max_body_bytes:
            raise too_large(limits.max_body_bytes)
        items = read_items(body, headers, service.event_plan, limits.max_events)

        def ended(submission: Submission) -> None:
            reply(self._answer(submission))

        submission = new_submission(service, items, len(body), ended)
        hand_in(service, submission)
        if not items:
            ended(submission)

    def _answer(self, submission: Submission) -> Response:
        """The answer, whatever happens: other events end in the same turn, and wait for this call to return."""
        try:
            return answer(submission, self._service.ruleset, all_results=False)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("an answer failed: POST %s", EVENTS_PATH)
            return internal_error()
