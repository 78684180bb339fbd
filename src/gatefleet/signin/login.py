"""OpenID Connect's authorization code flow for a browser: sent away, back with a code, known, renewed, signed out.

What is done when follows lua-resty-openidc as APISIX uses it; statuses and headers are those of APISIX's plugin.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import jsonschema_rs
import msgspec
import structlog
from msgspec.structs import replace

from gatefleet.errors import GatefleetError, Invalid, Unreachable
from gatefleet.signin import session, tokens
from gatefleet.signin.provider import Metadata, Providers
from gatefleet.signin.questions import Client, Decision, Request, SessionQuestion, comes_back, redirect_uri
from gatefleet.signin.session import Pending, Session

log = structlog.get_logger()

LOGGED_OUT: Final = "<html><body>Logged Out</body></html>"
RENEW: Final = 6
"""Cookies are made anew in the last sixth of their life."""
MOST_TARGET: Final = 2000
"""Characters of a place that is returned to; it waits in a cookie."""
REFRESHED: Final = 30.0
"""Seconds that refreshed tokens are kept for the browser's other requests, which still come with the old cookie."""
MOST_REFRESHED: Final = 1024


class Login:
    """Decides about requests of browsers."""

    def __init__(self, providers: Providers, group_key: bytes) -> None:
        self._providers, self._group_key = providers, group_key
        self._refreshed: OrderedDict[bytes, tuple[float, Session]] = OrderedDict()
        self._refreshing: dict[bytes, asyncio.Task[Session]] = {}

    async def decide(self, question: SessionQuestion) -> Decision:
        """What becomes of the request. What goes wrong on the way is a refusal: 503 at sign-out, else 500."""
        client, request = question.client, question.request
        known = session.opened(client, self._group_key, request.cookie, time.time())
        try:
            if comes_back(client, request):
                return await self._back(client, request, known)
            if request.path == client.logout_path:
                return await self._logout(client, request, known)
            return await self._pass(client, request, known)
        except GatefleetError as error:
            log.warning("a sign-in failed", client=client.client_id, reason=str(error))
            return Decision(503 if request.path == client.logout_path else 500)

    async def _pass(self, client: Client, request: Request, known: Session) -> Decision:
        now = time.time()
        current = await self._renewed(client, known, now) if known.authenticated else known
        if not current.authenticated:
            return await self._stranger(client, request, known)
        if client.refresh_session_interval and current.authenticated + client.refresh_session_interval < now:
            return await self._away(client, request, current, silent=True)
        if why := _against_schema(client, current):
            challenge = f'Bearer realm="{client.realm}", error="invalid_token", error_description="{why}"'
            return Decision(401, challenge=challenge)
        if current is not known or now > current.issued + client.session_lifetime * (1 - 1 / RENEW):
            current = replace(current, issued=int(now))
            return _passing(client, current, self._cookies(client, request, current))
        return _passing(client, current, ())

    async def _stranger(self, client: Client, request: Request, known: Session) -> Decision:
        match client.unauth_action:
            case "pass":
                return Decision()
            case "deny":
                return Decision(401)
            case _:
                return await self._away(client, request, Session(pending=known.pending))

    async def _away(self, client: Client, request: Request, known: Session, *, silent: bool = False) -> Decision:
        """To the provider (OpenID Connect Core 1.0, 3.1.2.1); what is needed on return waits in the session."""
        metadata = await self._providers.metadata(client)
        if not metadata.authorization_endpoint:
            raise Unreachable(f"[{client.discovery}] names no authorization_endpoint")
        state, waiting = secrets.token_urlsafe(24), _pending(client, request, silent=silent)
        kept = list(known.pending.items())[1 - session.MOST_PENDING :]
        now = int(time.time())
        fresh = replace(known, issued=now, pending=dict([*kept, (state, waiting)]))
        asked = {
            "response_type": "code",
            "client_id": client.client_id,
            "scope": client.scope,
            "redirect_uri": waiting.redirect_uri,
            "state": state,
            **({"nonce": waiting.nonce} if waiting.nonce else {}),
            **(_challenge(waiting.verifier) if waiting.verifier else {}),
            **({"prompt": "none"} if silent else {}),
            **{name: _text(value) for name, value in client.authorization_params.items()},
        }
        location = _with(metadata.authorization_endpoint, asked)
        return Decision(302, location=location, cookies=self._cookies(client, request, fresh))

    async def _back(self, client: Client, request: Request, known: Session) -> Decision:
        """The provider's answer (3.1.2.5): it has to be one to a question of this browser's."""
        said = {name: values[0] for name, values in parse_qs(request.query).items()}
        waiting = known.pending.get(said.get("state", ""))
        if waiting is None:
            raise Invalid("the provider's answer has no state that this browser waits for")
        left = {state: one for state, one in known.pending.items() if state != said["state"]}
        known = replace(known, pending=left)
        metadata = await self._providers.metadata(client)
        if "iss" in said and said["iss"] != metadata.issuer:  # RFC 9207
            raise Invalid(f"the answer is from [{said['iss']}], not from [{metadata.issuer}]")
        if waiting.silent and "code" not in said:
            there = Request(request.scheme, request.host, waiting.target, request.cookie)
            return await self._away(client, there, Session(pending=left))
        if "code" not in said:
            raise Invalid(f"the provider did not sign the user in: {said.get('error')}")
        fresh = await self._signed_in(client, metadata, said["code"], waiting)
        fresh = replace(fresh, pending=left)
        return Decision(302, location=_local(waiting.target), cookies=self._cookies(client, request, fresh))

    async def _signed_in(self, client: Client, metadata: Metadata, code: str, waiting: Pending) -> Session:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": waiting.redirect_uri}
        if waiting.verifier:
            form["code_verifier"] = waiting.verifier
        method = client.token_endpoint_auth_method
        said = await self._providers.call(client, metadata.token_endpoint, form, method)
        claims = await self._claims(client, metadata, str(said.get("id_token", "")), waiting.nonce)
        now = int(time.time())
        user = await self._user(client, metadata, said, str(claims["sub"]))
        return _kept(client, said, Session(issued=now, authenticated=now, id_token=claims, user=user))

    async def _claims(self, client: Client, metadata: Metadata, token: str, nonce: str | None) -> Mapping[str, Any]:
        for unknown in (False, True):
            jwks = await self._providers.jwks(client, unknown=unknown) if metadata.jwks_uri else ()
            try:
                return tokens.checked(client, metadata.issuer, jwks, token, nonce)
            except LookupError as error:
                reason = str(error)
        raise Invalid(f"the ID token cannot be verified: {reason}")

    async def _renewed(self, client: Client, known: Session, now: float) -> Session:
        """The session with an access token that still lives; nobody's where there is no way to get one."""
        expired = known.access_expires and known.access_expires - client.access_token_expires_leeway <= now
        if not client.renew_access_token_on_expiry or not expired:
            return known
        if not known.refresh_token:
            return replace(known, authenticated=0)
        name = hashlib.sha256(msgspec.json.encode([client.discovery, client.client_id, known.refresh_token])).digest()
        found = self._refreshed.get(name)
        if found and now - found[0] < REFRESHED:
            return found[1]
        if name not in self._refreshing:  # a provider may take a refresh token once only
            self._refreshing[name] = asyncio.create_task(self._refresh(client, known, name))
        return await asyncio.shield(self._refreshing[name])

    async def _refresh(self, client: Client, known: Session, name: bytes) -> Session:
        try:
            fresh = await self._exchanged(client, known)
        finally:
            del self._refreshing[name]
        self._refreshed[name] = (time.time(), fresh)
        while len(self._refreshed) > MOST_REFRESHED:
            self._refreshed.popitem(last=False)
        return fresh

    async def _exchanged(self, client: Client, known: Session) -> Session:
        metadata = await self._providers.metadata(client)
        form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token, "scope": client.scope}
        method = client.token_endpoint_auth_method
        try:
            said = await self._providers.call(client, metadata.token_endpoint, form, method)
        except Invalid as error:
            log.info("a session is over", client=client.client_id, reason=str(error))
            return replace(known, authenticated=0)
        return _kept(client, {"refresh_token": known.refresh_token, **said}, known)

    async def _logout(self, client: Client, request: Request, known: Session) -> Decision:
        metadata = await self._providers.metadata(client)
        if client.revoke_tokens_on_logout:
            await self._revoke(client, metadata, known)
        gone = self._cookies(client, request, None)
        after = {"post_logout_redirect_uri": client.post_logout_redirect_uri} if client.post_logout_redirect_uri else {}
        if metadata.end_session_endpoint:
            hint = {"id_token_hint": known.enc_id_token} if known.enc_id_token else {}
            return Decision(302, location=_with(metadata.end_session_endpoint, {**hint, **after}), cookies=gone)
        if after:
            return Decision(302, location=client.post_logout_redirect_uri, cookies=gone)
        return Decision(200, body=LOGGED_OUT, content_type="text/html", cookies=gone)

    def _cookies(self, client: Client, request: Request, fresh: Session | None) -> tuple[str, ...]:
        secure = redirect_uri(client, request).startswith("https:")
        return session.cookies(client, self._group_key, fresh, request.cookie, secure=secure)

    async def _user(
        self, client: Client, metadata: Metadata, said: Mapping[str, Any], subject: str
    ) -> Mapping[str, Any] | None:
        """What the provider tells of the user; None where it does not, or tells of somebody else (5.3.2)."""
        if not metadata.userinfo_endpoint or "user" in client.not_kept.split():
            return None
        try:
            user = await self._providers.userinfo(client, metadata.userinfo_endpoint, str(said.get("access_token", "")))
        except Unreachable as error:
            log.warning("nothing is known of a user", reason=str(error))
            return None
        return user if user.get("sub") == subject else None

    async def _revoke(self, client: Client, metadata: Metadata, known: Session) -> None:
        """Tell the provider that the tokens are not needed any more (RFC 7009); one that fails is not waited for."""
        for kind, token in (("refresh_token", known.refresh_token), ("access_token", known.access_token)):
            if token and metadata.revocation_endpoint:
                form = {"token": token, "token_type_hint": kind}
                try:
                    await self._providers.call(
                        client, metadata.revocation_endpoint, form, client.token_endpoint_auth_method
                    )
                except GatefleetError as error:
                    log.warning("a token was not revoked", reason=str(error))


def _pending(client: Client, request: Request, *, silent: bool) -> Pending:
    return Pending(
        redirect_uri=redirect_uri(client, request),
        target=request.target if len(request.target) <= MOST_TARGET else "/",
        nonce=secrets.token_urlsafe(24) if client.use_nonce else None,
        verifier=secrets.token_urlsafe(48) if client.use_pkce else None,
        silent=silent,
    )


def _challenge(verifier: str) -> dict[str, str]:
    digest = hashlib.sha256(verifier.encode()).digest()  # RFC 7636 4.2
    return {"code_challenge": _base64url(digest), "code_challenge_method": "S256"}


def _kept(client: Client, said: Mapping[str, Any], known: Session) -> Session:
    """`known` with what a token endpoint said, as far as the session is to hold it."""
    lives = said.get("expires_in")
    lives = lives if isinstance(lives, int | float) else client.access_token_expires_in
    kept = replace(
        known,
        access_token=str(said.get("access_token", "")),
        access_expires=int(time.time() + lives) - 1,
        refresh_token=str(said.get("refresh_token") or ""),
        enc_id_token=str(said.get("id_token") or known.enc_id_token),
    )
    empty: dict[str, Any] = {"access_token": "", "enc_id_token": "", "id_token": None, "user": None}
    dropped = {name: empty[name] for name in client.not_kept.split() if name in empty}
    if "access_token" in dropped:
        dropped |= {"access_expires": 0, "refresh_token": ""}
    return replace(kept, **dropped)


def _passing(client: Client, known: Session, cookies: tuple[str, ...]) -> Decision:
    ends = [known.issued + client.session_lifetime * (1 - 1 / RENEW)]
    if client.renew_access_token_on_expiry and known.access_expires:
        ends.append(known.access_expires - client.access_token_expires_leeway)
    if client.refresh_session_interval:
        ends.append(known.authenticated + client.refresh_session_interval)
    return Decision(
        cookies=cookies,
        access_token=known.access_token,
        refresh_token=known.refresh_token,
        id_token=_base64_json(known.id_token),
        user=_base64_json(known.user),
        until=0 if cookies else int(min(ends)),
    )


def _against_schema(client: Client, known: Session) -> str:
    """Why the session is not as `claim_schema` wants it; empty if it is."""
    if not client.claim_schema:
        return ""
    told = {"user": known.user, "access_token": known.access_token, "id_token": known.id_token}
    given = {name: value for name, value in told.items() if value}
    try:
        jsonschema_rs.validate(msgspec.json.decode(client.claim_schema), given)
    except (jsonschema_rs.ValidationError, ValueError):
        return "the claims are not as wanted"
    return ""


def _base64_json(value: Mapping[str, Any] | None) -> str:
    return base64.b64encode(msgspec.json.encode(value)).decode() if value is not None else ""


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _with(address: str, parameters: Mapping[str, str]) -> str:
    """The address with more parameters; what it has itself stays."""
    if not parameters:
        return address
    return address + ("&" if "?" in address else "?") + urlencode(parameters)


def _local(target: str) -> str:
    """A place on this host, whatever the browser had asked for: `//elsewhere` would be another."""
    return "/" + target.lstrip("/\\")
