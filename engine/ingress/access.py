"""Who may call which endpoint.

In: tokens from the settings, and the `Authorization` of a request. Out: nothing, or a refusal. Rule of the file: tokens are compared in
a time that says nothing about them, and stand in no message and no log.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from engine.errors import SettingsInvalid
from engine.ingress.endpoints import Access
from engine.ingress.problems import RequestRefused
from engine.settings import HttpSettings
from engine.settings_values import read_tokens, text_of_file

_CHALLENGE: Final = 'Bearer realm="rulemill"'


class AccessPolicy:
    """Holders of a token for administration may do everything, those of one for ingest what is for ingest.

    A kind of access without tokens is open to anybody.
    """

    def __init__(self, ingest: Iterable[SecretStr] = (), admin: Iterable[SecretStr] = ()) -> None:
        self._ingest, self._admin = _digests(ingest), _digests(admin)
        self._enforced: Mapping[Access, bool] = {"open": False, "ingest": bool(self._ingest), "admin": bool(self._admin)}

    def check(self, access: Access, authorization: str | None) -> None:
        """Raises RequestRefused: 401 without a known token, 403 where the token is for ingest only."""
        if not self._enforced[access]:
            return
        if authorization is None:
            raise _unknown("this needs a token; send it as `Authorization: Bearer …`")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _unknown("this needs a token of the scheme `Bearer`; send it as `Authorization: Bearer …`")
        digest = sha256(token.strip().encode("latin-1", "replace")).digest()
        is_admin, is_ingest = _is_among(self._admin, digest), _is_among(self._ingest, digest)
        if is_admin or (is_ingest and access == "ingest"):
            return
        if is_ingest:
            challenge = {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}
            raise RequestRefused(
                403, "token_for_ingest", "this needs a token for administration; this one is for ingest", challenge
            )
        raise _unknown("the token is not known here", ', error="invalid_token"')


def access_policy(http: HttpSettings) -> AccessPolicy:
    """The policy of the settings, their token files read.

    Raises SettingsInvalid for a file that cannot be used, and where others than this machine would come in without tokens.
    """
    ingest = (*http.ingest_tokens, *_from_file("ingest_tokens_file", http.ingest_tokens_file))
    admin = (*http.admin_tokens, *_from_file("admin_tokens_file", http.admin_tokens_file))
    missing = [
        f"{what} (`http.{name}`, HTTP_{name.upper()})"
        for name, what, tokens in (("ingest_tokens", "ingest", ingest), ("admin_tokens", "administration", admin))
        if not tokens
    ]
    if missing and not http.allow_unauthenticated and not _is_loopback(http.host):
        raise SettingsInvalid(
            f"`http.host` is `{http.host}`, which others than this machine can reach, and there are no tokens for {' nor for '.join(missing)}; "
            "set them, listen on 127.0.0.1, or allow everybody in by name: `http.allow_unauthenticated: true` (HTTP_ALLOW_UNAUTHENTICATED)"
        )
    return AccessPolicy(ingest, admin)


def _from_file(name: str, path: Path | None) -> tuple[SecretStr, ...]:
    if path is None:
        return ()
    text = text_of_file(f"http.{name}", path, "a file with one token a line")
    try:
        tokens = read_tokens(text)
    except ValueError as error:
        raise SettingsInvalid(f"`http.{name}`: {path} cannot be used; expected {error}, one a line") from None
    if not tokens:
        raise SettingsInvalid(f"`http.{name}`: {path} holds no token; write one a line, or remove the setting")
    return tokens


def _digests(tokens: Iterable[SecretStr]) -> tuple[bytes, ...]:
    return tuple(sha256(token.get_secret_value().encode()).digest() for token in tokens)


def _is_among(digests: Iterable[bytes], digest: bytes) -> bool:
    found = False
    for known in digests:
        found |= hmac.compare_digest(known, digest)
    return found


def _unknown(detail: str, more: str = "") -> RequestRefused:
    return RequestRefused(401, "unauthenticated", detail, {"WWW-Authenticate": f"{_CHALLENGE}{more}"})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
