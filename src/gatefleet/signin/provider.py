"""OpenID providers: what they publish, kept for a while, and calls to their endpoints, bounded in time and size."""

import asyncio
import base64
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final
from urllib.parse import quote_plus

import httpx
import msgspec
import structlog

from gatefleet.errors import Invalid, Unreachable
from gatefleet.outbound import Outbound, Transport
from gatefleet.signin import tokens
from gatefleet.signin.questions import Client, Key

log = structlog.get_logger()

METADATA_AGE: Final = 3600.0
"""Seconds that a discovery document is kept."""
PATIENCE: Final = 10.0
"""Seconds after which what could not be fetched, or lacked a key, is fetched again at the earliest."""
FAILED: Final = 1.0
"""Seconds that a failure counts for everybody who asks for the same."""
MOST_BYTES: Final = 1 << 20
MOST_KEPT: Final = 512
Fetch = Callable[[], Awaitable[Any]]


class Metadata(msgspec.Struct, frozen=True):
    """What we use of a discovery document (OpenID Connect Discovery 1.0, 3)."""

    issuer: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    jwks_uri: str = ""
    introspection_endpoint: str = ""
    revocation_endpoint: str = ""
    end_session_endpoint: str = ""


@dataclass(slots=True)
class _Kept:
    value: Any = None
    at: float = float("-inf")
    """When it was fetched."""
    tried: float = float("-inf")
    problem: str = ""
    """Why it could not be fetched when it was last tried."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Providers:
    """All providers; one fetch at a time of each document, however many wait for it.

    None is connected to where `outbound` does not let us: what a provider publishes names further addresses.
    """

    def __init__(self, outbound: Outbound | None = None) -> None:
        self._kept: OrderedDict[tuple[str, bool], _Kept] = OrderedDict()
        self._http = cache(partial(_http, outbound or Outbound()))

    async def metadata(self, client: Client) -> Metadata:
        """The discovery document. Raises Unreachable."""

        async def fetch() -> Metadata:
            body = await self._fetched(client, client.discovery)
            try:
                return msgspec.json.decode(body, type=Metadata)
            except msgspec.DecodeError as error:
                raise Unreachable(f"[{client.discovery}] is no discovery document: {error}") from error

        return await self._current((client.discovery, client.ssl_verify), METADATA_AGE, fetch)

    async def jwks(self, client: Client, *, unknown: bool = False) -> Sequence[Mapping[str, Any]]:
        """The provider's keys as it publishes them; fetched anew where one was `unknown`. Raises Unreachable."""
        uri = (await self.metadata(client)).jwks_uri
        if not uri:
            raise Unreachable(f"[{client.discovery}] names no jwks_uri")

        async def fetch() -> Sequence[Mapping[str, Any]]:
            try:
                return msgspec.json.decode(await self._fetched(client, uri), type=dict[str, list[dict[str, Any]]])[
                    "keys"
                ]
            except (msgspec.DecodeError, KeyError) as error:
                raise Unreachable(f"[{uri}] is no set of keys: {error}") from error

        return await self._current((uri, client.ssl_verify), 0 if unknown else client.jwk_expires_in, fetch)

    async def keys(self, client: Client, *, unknown: bool = False) -> tuple[Key, ...]:
        """The provider's public keys that sign. Raises Unreachable."""
        return tokens.public_keys(await self.jwks(client, unknown=unknown))

    async def call(
        self,
        client: Client,
        endpoint: str,
        form: Mapping[str, str],
        method: str,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """POST `form` as this client, authenticated by `method`; the JSON object that comes back.

        Raises Unreachable without an answer, Invalid where the provider says no.
        """
        if not endpoint:
            raise Unreachable(f"[{client.discovery}] names no such endpoint")
        more, head = _authentication(client, method, endpoint)
        sent = {"accept": "application/json", **(headers or {}), **head}
        status, body = await self._exchange(client, "POST", endpoint, sent, {**form, **more})
        try:
            said = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Unreachable(f"[{endpoint}] answered {status} without JSON") from error
        if status != 200:
            raise Invalid(f"[{endpoint}] answered {status}: {said.get('error')}: {said.get('error_description')}")
        return said

    async def userinfo(self, client: Client, endpoint: str, access_token: str) -> Mapping[str, Any]:
        """What the provider tells of the token's user. Raises Unreachable."""
        body = await self._fetched(client, endpoint, {"authorization": f"Bearer {access_token}"})
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Unreachable(f"[{endpoint}] answered without JSON") from error

    async def _current(self, name: tuple[str, bool], age: float, fetch: Fetch) -> Any:
        """What is kept under `name` if it is young enough, else what `fetch` brings, else the old one."""
        kept = self._kept.setdefault(name, _Kept())
        self._kept.move_to_end(name)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        async with kept.lock:
            now = time.monotonic()
            if kept.value is not None and (now - kept.at < age or now - kept.tried < PATIENCE):
                return kept.value
            if kept.value is None and now - kept.tried < FAILED:  # those who waited for the same need not try again
                raise Unreachable(kept.problem)
            try:
                kept.value, kept.at = await fetch(), now
            except Unreachable as error:
                kept.problem = str(error)
                if kept.value is None:
                    raise
                log.warning("an old document of a provider is used", document=name[0], reason=kept.problem)
            finally:
                kept.tried = time.monotonic()
            return kept.value

    async def _fetched(self, client: Client, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        status, body = await self._exchange(client, "GET", url, {"accept": "application/json", **(headers or {})})
        if status != 200:
            raise Unreachable(f"[{url}] answered {status}")
        return body

    async def _exchange(
        self,
        client: Client,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body. Raises Unreachable; redirections are not followed."""
        try:
            async with (
                asyncio.timeout(client.timeout),
                self._http(verify=client.ssl_verify).stream(method, url, headers=headers, data=form) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise Unreachable(f"[{url}] answered with more than {MOST_BYTES} bytes")
                return answer.status_code, body
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise Unreachable(f"[{url}] does not answer: {error!r}") from error


def _authentication(client: Client, method: str, endpoint: str) -> tuple[dict[str, str], dict[str, str]]:
    """What says who we are, in the form and in headers (RFC 6749 2.3.1, OpenID Connect Core 9)."""
    match method:
        case "client_secret_basic":
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
            return {}, {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        case "client_secret_post":
            return {"client_id": client.client_id, "client_secret": client.client_secret}, {}
        case _:
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            assertion = tokens.assertion(client, method, endpoint)
            return {"client_id": client.client_id, "client_assertion_type": kind, "client_assertion": assertion}, {}


def _http(outbound: Outbound, *, verify: bool) -> httpx.AsyncClient:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    transport = Transport(outbound, context)
    return httpx.AsyncClient(transport=transport, timeout=None, trust_env=False)  # noqa: S113  (asyncio.timeout bounds it)
