"""`POST /events`: a request becomes a submission, and its answer once all of its events have ended.

In: one event or many. Out: what became of each. Rule of the file: what the engine took goes on to its end, whether or not its
sender still waits.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from engine.event import Submission
from engine.ingress.bodies import Items, read_items
from engine.ingress.endpoints import Endpoint
from engine.ingress.events_description import TAKE_EVENTS
from engine.ingress.explained import Explanations
from engine.ingress.problems import RequestRefused
from engine.ingress.request_body import BodyBudget, read_body
from engine.ingress.responses import answer
from engine.ingress.service import Service
from engine.rules.diagnostics import shown

EVENTS_PATH: Final = "/events"
INPUT_NAME: Final = "http"
"""The input that all requests belong to; its watermark is theirs."""


def event_endpoints(service: Service, budget: BodyBudget, explanations: Explanations | None = None) -> list[Endpoint]:
    """`POST /events`, for bodies within a budget. Without `explanations` the header that asks for them does nothing."""

    async def take_events(request: Request) -> Response:
        all_results = _wants_all_results(request)
        witness = explanations.witness if explanations is not None and explanations.wanted(request) else None
        limits = service.limits
        body = await read_body(request, limits.max_body_bytes, budget)
        items = read_items(body, request.scope["headers"], service.event_plan, limits.max_events)
        if witness is not None and explanations is not None:
            explanations.check_size(len(items))
        size_bytes = len(body)
        del body  # what is needed of it is in the items, and these may have to wait long
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_done(_: Submission) -> None:
            if not ended.done():
                ended.set_result(None)

        submission = new_submission(service, items, size_bytes, on_done)
        if witness is None:
            await _end(submission, ended)
            return answer(submission, service.ruleset, all_results=all_results)
        witness.watch(submission)
        try:
            await _end(submission, ended)
            found = await witness.explanations(submission)
        finally:
            witness.forget(submission)
        return answer(submission, service.ruleset, all_results=True, explanations=found)

    async def _end(submission: Submission, ended: asyncio.Future[None]) -> None:
        """Submit, and return when every event has ended."""
        hand_in(service, submission)
        if submission.items:
            await ended

    return [Endpoint("POST", EVENTS_PATH, take_events, TAKE_EVENTS, access="ingest")]


def new_submission(service: Service, items: Items, size_bytes: int, done: Callable[[Submission], None]) -> Submission:
    """What a request brings, as of now. `done` is called when its last event has ended, which is never where there are none."""
    return Submission(items, input_name=INPUT_NAME, received_ms=service.now_ms(), size_bytes=size_bytes, done=done)


def hand_in(service: Service, submission: Submission) -> None:
    """Have the engine take it, where it holds events. Raises RequestRefused, 429 or 503, where it is not taken."""
    if submission.items and not service.submit(submission):
        raise _not_taken(service)


def _wants_all_results(request: Request) -> bool:
    wanted = request.query_params.get("results")
    if wanted not in (None, "all"):
        detail = f"`results` is `{shown(wanted)}`; send `all`, or leave it out for the events that were not accepted"
        raise RequestRefused(400, "bad_query", detail)
    return wanted is not None


def _not_taken(service: Service) -> RequestRefused:
    ready, reason = service.ready()
    if ready:
        return RequestRefused(429, "inbox_full", "more events are waiting than the engine can hold; send these again later")
    return RequestRefused(503, "not_ready" if service.enabled else "disabled", reason)
