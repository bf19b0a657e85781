"""The endpoints that say what the engine has done, and what its aggregations hold.

In: requests without a body. Out: JSON, or Prometheus text. Rule of the file: a question that is not understood is never answered as if it
were another: unknown parameters are refused.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import NotKnown, QueryInvalid, StoreUnavailable
from engine.event import JsonObject
from engine.ingress import queries_description as described
from engine.ingress.endpoints import Endpoint, Handler
from engine.ingress.responses import json_response, json_response_of_any, problem
from engine.ingress.service import Statistics
from engine.rules.diagnostics import did_you_mean, shown
from engine.rules.times import parse_time

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
"""How many windows one answer holds, and may be asked to hold."""

_PARAMETERS: Final = ("aggregator", "key", "from", "to", "limit")
_FOREVER_MS: Final = 1 << 60
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_EPOCH_MS: Final = re.compile(r"-?[0-9]{1,18}")


def queries(statistics: Statistics) -> list[Endpoint]:
    """`GET /metrics`, `/metrics/processor`, and what is below `/processor` but the status."""

    async def aggregation(request: Request) -> Response:
        try:
            content = await statistics.aggregation(*_windows_asked_for(request))
            return json_response_of_any(content)
        except NotKnown as error:
            return problem(404, "unknown_aggregation", str(error))
        except QueryInvalid as error:
            return problem(400, "bad_query", str(error))
        except StoreUnavailable as error:
            return problem(503, "store_unavailable", f"the state store does not answer: {error}")

    async def prometheus(request: Request) -> Response:
        text, content_type = await statistics.prometheus(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    return [
        Endpoint("GET", "/metrics/processor", _shows(statistics.processor), described.PROCESSOR),
        Endpoint("GET", "/processor/enrichment", _shows(statistics.enrichment), described.ENRICHMENT),
        Endpoint("GET", "/processor/filters", _shows(statistics.filters), described.FILTERS),
        Endpoint("GET", "/processor/aggregations", _shows(statistics.aggregations), described.AGGREGATIONS),
        Endpoint("GET", "/processor/aggregation", aggregation, described.AGGREGATION),
        Endpoint("GET", "/metrics", prometheus, described.METRICS),
    ]


def _shows(statistic: Callable[[], Awaitable[JsonObject]]) -> Handler:
    async def show(_: Request) -> Response:
        return json_response(await statistic())

    return show


class _WindowsAskedFor(NamedTuple):
    """The parameters of `GET /processor/aggregation`, in the order that Statistics takes them."""

    aggregator: str
    key: str
    from_ms: int
    to_ms: int
    limit: int


def _windows_asked_for(request: Request) -> _WindowsAskedFor:
    given = _parameters(request)
    if not given.get("aggregator"):
        raise QueryInvalid("`aggregator` is missing; `GET /processor/aggregations` says which there are")
    from_ms, to_ms = _time(given, "from", -_FOREVER_MS), _time(given, "to", _FOREVER_MS)
    if from_ms >= to_ms:
        raise QueryInvalid(f"`from` is `{shown(given['from'])}` and not before `to`, which is `{shown(given['to'])}`")
    return _WindowsAskedFor(given["aggregator"], given.get("key", ""), from_ms, to_ms, _limit(given))


def _parameters(request: Request) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in _PARAMETERS:
            raise QueryInvalid(f"there is no parameter `{shown(name)}`; {did_you_mean(name, _PARAMETERS)}")
        if name in given:
            raise QueryInvalid(f"`{name}` is given twice; once is enough")
        given[name] = value
    return given


def _time(given: Mapping[str, str], name: str, default_ms: int) -> int:
    if name not in given:
        return default_ms
    text = given[name]
    time_ms = parse_time(int(text) if _EPOCH_MS.fullmatch(text) else text)
    if time_ms is None:
        hint = "; in a URL a `+` is written `%2B`" if " " in text else ""
        raise QueryInvalid(f"`{name}` is `{shown(text)}`; expected `2026-03-01T09:30:00Z` or epoch milliseconds{hint}")
    return time_ms


def _limit(given: Mapping[str, str]) -> int:
    text = given.get("limit", str(DEFAULT_LIMIT))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise QueryInvalid(f"`limit` is `{shown(text)}`; expected a whole number from 1 to {MAX_LIMIT}")
    return int(text)
