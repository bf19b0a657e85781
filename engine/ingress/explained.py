"""The header `Rulemill-Explain`: the answer to `POST /events` says of each event why the rules did to it what they did.

In: a request. Out: whether explanations are wanted. Rule of the file: what rules look at is for administrators, so the header takes their token.
"""

from typing import Final, Protocol

from starlette.requests import Request

from engine.event import JsonObject, Submission
from engine.ingress.access import AccessPolicy
from engine.ingress.problems import RequestRefused
from engine.rules.diagnostics import shown

HEADER: Final = "Rulemill-Explain"


class EventWitness(Protocol):
    """Sees what becomes of the submissions that it watches."""

    def watch(self, submission: Submission) -> None:
        """Note what becomes of a submission, until `forget`."""

    def forget(self, submission: Submission) -> None:
        """Watch it no longer."""

    async def explanations(self, submission: Submission) -> list[JsonObject]:
        """What happened to each event of a watched submission that has ended, in their order."""


class Explanations:
    """Who explains, to whom, and how many events of a request at most."""

    def __init__(self, witness: EventWitness, policy: AccessPolicy, max_events: int) -> None:
        self.witness = witness
        self._policy = policy
        self._max_events = max_events

    def wanted(self, request: Request) -> bool:
        """Whether a request asks for explanations. Raises RequestRefused where it may not, or says something else."""
        value = request.headers.get(HEADER)
        if value is None or value == "0":
            return False
        if value != "1":
            raise RequestRefused(400, "bad_header", f"`{HEADER}` is `{shown(value)}`; send `1`, or leave it out")
        self._policy.check("admin", request.headers.get("authorization"))
        return True

    def check_size(self, events: int) -> None:
        """Raises RequestRefused where these are more events than are explained at once."""
        if events > self._max_events:
            detail = (
                f"with `{HEADER}` a request may bring {self._max_events} events (`http.max_explained`), and this one brings {events}; "
                "send fewer, or leave the header out. None was taken"
            )
            raise RequestRefused(413, "too_many_to_explain", detail)
