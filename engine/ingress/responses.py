"""What HTTP answers: outcomes of a submission, and problems of a request as a whole.

In: outcomes, or an error. Out: JSON responses. Rule of the file: a client that only looks at the status never takes an event
that was not accepted for one that was.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response

from engine.event import ACCEPTED, REJECTED, RETRY, STATUSES, JsonObject, Outcome, Submission
from engine.ingress.problems import RequestRefused
from engine.rules.values import json_bytes

RETRY_AFTER_S: Final = 1
"""How long a sender is asked to wait before it tries again."""

_RETRY_AFTER: Final = {"Retry-After": str(RETRY_AFTER_S)}


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response that `orjson` writes, a line of its own on a terminal."""
    return Response(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), status, headers, "application/json")


def json_response_of_any(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The same for content that may hold integers beyond 64 bits, which `orjson` refuses."""
    return Response(json_bytes(content) + b"\n", status, headers, "application/json")


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, more: JsonObject | None = None
) -> Response:
    """An RFC 9457 problem with a stable `code`; `more` are further members. 429 and 503 say when to try again."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail, **(more or {})}
    retry = _RETRY_AFTER if status in (429, 503) else {}
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, {**retry, **(headers or {})}, "application/problem+json")


def refusal(refused: RequestRefused) -> Response:
    """What a request is answered that was refused as a whole."""
    return problem(refused.status, refused.code, refused.detail, refused.headers)


def internal_error() -> Response:
    """What is answered where a bug was met; nothing of it stands in there."""
    return problem(500, "internal_error", "the request failed for a reason of ours; the engine's log says more")


def answer(
    submission: Submission, ruleset: str, *, all_results: bool, explanations: Sequence[JsonObject] | None = None
) -> Response:
    """The answer to a submission whose events have all ended; `ruleset` stands in it where no rules have seen the submission.

    202 without rejected and retry; 422 where all are rejected; 503 where all are to be sent again; 207 otherwise. Results are
    given for what was not accepted, for a single event, and for everything with `all_results`; each with its explanation, where there are any.
    """
    outcomes = [outcome for outcome in submission.outcomes if outcome is not None]
    counts = dict.fromkeys(STATUSES, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    everything = all_results or len(outcomes) == 1
    content: dict[str, object] = {**counts, "ruleset": submission.ruleset or ruleset}
    content["results"] = [
        _result(index, submission.ids[index], outcome)
        for index, outcome in enumerate(outcomes)
        if everything or outcome.status != ACCEPTED
    ]
    status = _status(counts, len(outcomes))
    headers = _RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    if explanations is None:
        return json_response(content, status, headers)
    results = [_result(index, submission.ids[index], outcome) for index, outcome in enumerate(outcomes)]
    content["results"] = [{**result, "explanation": found} for result, found in zip(results, explanations, strict=True)]
    return json_response_of_any(content, status, headers)


def _status(counts: Mapping[str, int], events: int) -> int:
    if not counts[REJECTED] and not counts[RETRY]:
        return 202
    if counts[REJECTED] == events:
        return 422
    return 503 if counts[RETRY] == events else 207


def _result(index: int, identity: str | None, outcome: Outcome) -> dict[str, object]:
    result: dict[str, object] = {"index": index, "id": identity, "status": outcome.status}
    if outcome.code:
        result["code"] = outcome.code
    if outcome.message:
        result["message"] = outcome.message
    if outcome.pointer:
        result["pointer"] = outcome.pointer
    return result
