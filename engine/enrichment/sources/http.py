"""The HTTP source: context from a service that answers JSON, a key a request or many.

In: keys. Out: rows. Rule of the file: 200 with an object and, for a single key, 404 are answers; everything else is a failure. An answer is
read up to its bound and no further, and no redirect is followed, so that headers go where the rule says and nowhere else.

    GET url        {key} replaced     200: the object, or null; 404: there is none
    GET batch_url  {keys} replaced    200: {"id": {…}, …} or [{"id": …, …}, …]; a key that is not in it is not there
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from engine.errors import LookupFailed, SettingsInvalid
from engine.event import JsonObject
from engine.ports import Clock, LookupLimits
from engine.rules.model import SourceSpec
from engine.settings import RedisSettings

_CHUNK_BYTES: Final = 64 << 10
# In a path these would be another resource than the one asked for.
_NO_SEGMENTS: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where to ask, and how. `id_member` names the key in the rows of an answer that is an array."""

    url: str
    batch_url: str | None
    id_member: str
    headers: Mapping[str, str]
    max_answer_bytes: int
    limits: LookupLimits


def build(spec: SourceSpec, _clock: Clock, _redis: RedisSettings) -> "HttpSource":
    """The source of a rule. Raises SettingsInvalid where a URL cannot be used."""
    given = cast("Mapping[str, Any]", spec.settings)
    batch_url = given.get("batch_url")
    limits = LookupLimits(given["batch_size"] if batch_url else 1, given["concurrency"], given["timeout"])
    headers = given.get("headers", {})
    return HttpSource(HttpSettings(given["url"], batch_url, given["id"], headers, given["max_answer_bytes"], limits))


class HttpSource:
    """Asks a service. The first look-up opens connections on its event loop; they are kept for the next ones."""

    def __init__(self, settings: HttpSettings) -> None:
        self.limits = settings.limits
        self._settings = settings
        self._url = _template(settings.url, "{key}")
        self._batch_url = None if settings.batch_url is None else _template(settings.batch_url, "{keys}")
        self._session: aiohttp.ClientSession | None = None

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        """See LookupSource."""
        named = [key for key in keys if key not in _NO_SEGMENTS]
        # A comma parts the keys of a batch; services decode before they split as often as after it.
        together = [key for key in named if "," not in key] if self._batch_url else []
        if len(together) < 2:
            together = []
        rows = await self._ask_for_many(together) if together else {}
        for key in named:
            if key not in together and (row := await self._ask_for_one(key)) is not None:
                rows[key] = row
        return rows

    async def close(self) -> None:
        """See LookupSource."""
        if self._session is not None:
            await self._session.close()

    async def _ask_for_one(self, key: str) -> JsonObject | None:
        answer = await self._get(self._url.replace("{key}", quote(key, safe="")), nothing=404)
        if answer is not None and not isinstance(answer, dict):
            raise LookupFailed("the answer is JSON, but no object")
        return answer

    async def _ask_for_many(self, keys: Sequence[str]) -> dict[str, JsonObject]:
        joined = ",".join(quote(key, safe="") for key in keys)
        return _rows(await self._get(str(self._batch_url).replace("{keys}", joined)), keys, self._settings.id_member)

    async def _get(self, url: str, nothing: int | None = None) -> Any:
        """The JSON that is answered with 200; None for the status that says there is none."""
        try:
            async with self._open_session().get(URL(url, encoded=True), allow_redirects=False) as response:
                if response.status == nothing:
                    return None
                if response.status != 200:
                    raise LookupFailed(f"the answer has status {response.status}")
                return orjson.loads(await self._body(response))
        except orjson.JSONDecodeError as error:
            raise LookupFailed(f"the answer is not JSON: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise LookupFailed(
                f"no connection to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of some of these holds the whole URL, and so what a variable put there.
            reason = str(error) if isinstance(error, aiohttp.ClientConnectionError) else ""
            raise LookupFailed(f"no answer: {type(error).__name__} {reason}".rstrip()) from error

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._settings.max_answer_bytes:
                raise LookupFailed(f"the answer is larger than `max_answer_bytes`, {self._settings.max_answer_bytes}")
        return bytes(body)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Unpacked, a small answer can be a large one: it is asked for as it is, and taken as it comes.
            headers = {"Accept": "application/json", "Accept-Encoding": "identity", **self._settings.headers}
            self._session = aiohttp.ClientSession(
                headers=headers,
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=self.limits.concurrency),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session


def _template(url: str, mark: str) -> str:
    """The URL as it is sent, the mark still in it."""
    try:
        return str(URL(url)).replace(quote(mark), mark)
    except ValueError as error:
        raise SettingsInvalid(f"the URL of an enrichment source cannot be used: {error}") from error


def _rows(answer: Any, keys: Collection[str], id_member: str) -> dict[str, JsonObject]:
    """The rows of an answer to a batch, of the keys that were asked for; a row that is no object is that key's own trouble."""
    if isinstance(answer, list):
        try:
            answer = {str(row[id_member]): row for row in answer}
        except (KeyError, TypeError) as error:
            raise LookupFailed(f"the answer to a batch has a row without `{id_member}`") from error
    if not isinstance(answer, dict):
        raise LookupFailed("the answer to a batch is neither an object nor an array")
    return {key: answer[key] for key in keys if answer.get(key) is not None}
