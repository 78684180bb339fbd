"""Who calls, and whether they may: the one place that decides; every endpoint declares an action.

Credentials: `X-API-KEY` (a user's token, or the admin key of a gateway group), HTTP Basic, or the session's cookie.
"""

import base64
import binascii
import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from fastapi import Request
from sqlalchemy import Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import grants, lockout
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.policies import Policy, Statement
from gatefleet.admin.web import NUL, Control, control
from gatefleet.errors import Forbidden, Invalid, Unauthorized
from gatefleet.store.tables import group_key, session, token, user

COOKIE: Final = "gatefleet_session"
GROUP_KEY_PREFIX: Final = "a7adm-"
TOKEN_PREFIX: Final = "a7ee-"  # noqa: S105 - what every token begins with
BUILT_IN: Final = "built_in"
"""The login option of users who have their password here."""
SUPER_ADMIN: Final = "super_admin_id"
BEFORE_THE_CHANGE: Final = frozenset({"GetMe", "UpdatePassword", "Logout"})
"""All that a session can do whose user still has the password somebody else chose."""


class Reach(enum.Enum):
    """What an action touches, which says who may do it."""

    PUBLIC = "anybody, without any credential"
    ANY = "everybody who is known"
    SELF = "a user, about himself"
    GROUP = "users whose policies allow it, and the admin key of the one gateway group it is about"
    SYSTEM = "users whose policies allow it"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes this request. `group_id` is set for the admin key of a gateway group, `user_id` for a user."""

    name: str
    source: Literal["dashboard", "api"]
    user_id: str | None = None
    group_id: str | None = None
    roles: tuple[str, ...] = ()
    boundary: tuple[str, ...] = ()
    token_name: str | None = None
    scope: Policy | None = None
    must_change_password: bool = False
    session: bytes | None = None

    @property
    def unlimited(self) -> bool:
        """Nobody has to ask any policy: the key of a group in its group, or an administrator and nothing else."""
        if self.group_id is not None:
            return True
        return self.roles == (SUPER_ADMIN,) and not self.boundary and self.scope is None


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency of every endpoint: the action it performs and its reach. Decides, or raises 401 or 403."""

    action: str
    reach: Reach
    filtered: bool = False
    """Whether this is a list of which callers see what they may read, instead of all or nothing: see admin.visible."""

    async def __call__(self, request: Request) -> None:
        request.state.action = self.action
        if self.reach is Reach.PUBLIC:
            return
        caller = await authenticate(request)
        request.state.caller = caller
        decide(caller, self, asked_group(request))
        if self.reach is Reach.SELF and caller.scope is not None and self.action != "GetMe":
            raise Forbidden(f"the token [{caller.token_name}] is limited: it cannot do [{self.action}]")
        if self.reach in {Reach.GROUP, Reach.SYSTEM} and not caller.unlimited:
            await self._granted(request, caller)

    async def _granted(self, request: Request, caller: Caller) -> None:
        needed = PERMISSIONS.get(self.action)
        if needed is None:
            raise Forbidden(f"[{self.action}] is left to administrators; user [{caller.name}] is not one")
        async with control(request).store.reading() as connection:
            held = await grants.load(connection, caller.roles, caller.boundary, caller.scope)
        request.state.held = held
        try:
            await grants.check(request, held, needed, asked_group(request), caller.name)
        except Forbidden as refusal:
            if not self.filtered:
                raise
            request.state.refusal = refusal


def decide(caller: Caller, access: Access, group_id: str | None) -> None:
    """Forbidden unless this kind of caller may do this; what users may do further depends on their policies."""
    if caller.must_change_password and caller.session and access.action not in BEFORE_THE_CHANGE:
        raise Forbidden("change the password first: PUT /api/password with old_password and new_password")
    if caller.group_id is not None:
        own = group_id is None or group_id == caller.group_id
        if access.reach is Reach.ANY or (access.reach is Reach.GROUP and own):
            return
        raise Forbidden(f"[{access.action}] is not allowed for the admin key of gateway group [{caller.group_id}]")


async def visible_groups(request: Request, action: str = "GetGatewayGroup") -> Sequence[str] | None:
    """The ids of the gateway groups that the caller may do this to; None for all."""
    caller = caller_of(request)
    if caller.group_id is not None:
        return [caller.group_id]
    if caller.unlimited:
        return None
    async with control(request).store.reading() as connection:
        held = await grants.load(connection, caller.roles, caller.boundary, caller.scope)
        return await grants.visible_groups(connection, held, PERMISSIONS[action])


async def held_by(caller: Caller, connection: AsyncConnection) -> grants.Grants | None:
    """What the caller's policies allow; None for who needs none: administrators and the key of a group."""
    if caller.unlimited or caller.group_id is not None:
        return None
    return await grants.load(connection, caller.roles, caller.boundary, caller.scope)


def caller_of(request: Request) -> Caller:
    """The caller that Access let in."""
    return cast("Caller", request.state.caller)


def user_of(request: Request) -> tuple[Caller, str]:
    """The calling user and his id; Forbidden for a gateway group's key."""
    caller = caller_of(request)
    if caller.user_id is None:
        raise Forbidden("only a user can do this, not the admin key of a gateway group")
    return caller, caller.user_id


def group_of(request: Request) -> str:
    """The gateway group this request is about: named by path or query, else the one of the admin key."""
    group_id = asked_group(request) or caller_of(request).group_id
    if not group_id:
        raise Invalid("the query parameter gateway_group_id is missing")
    return group_id


def asked_group(request: Request) -> str | None:
    """The gateway group the request names itself; Invalid if it names two."""
    named = set(request.query_params.getlist("gateway_group_id")) | {request.path_params.get("gateway_group_id", "")}
    named.discard("")
    if len(named) > 1:
        raise Invalid("the request names several gateway groups")
    return named.pop() if named else None


async def authenticate(request: Request) -> Caller:
    """The caller of the one credential a request carries; Unauthorized for none, several, or one that is not valid."""
    found = {("key", text) for text in request.headers.getlist("x-api-key")}
    found |= {("basic", text) for text in request.headers.getlist("authorization")}
    if cookie := request.cookies.get(COOKIE):
        found.add(("session", cookie))
    if not found:
        raise Unauthorized("no credential: send X-API-KEY, HTTP Basic or the session cookie of POST /api/login")
    if len(found) > 1:
        raise Unauthorized("the request carries several credentials; send exactly one")
    kind, text = found.pop()
    state = control(request)
    match kind:
        case "key" if text.startswith(GROUP_KEY_PREFIX):
            return await _by_group_key(state, text)
        case "key":
            return await _by_token(state, text)
        case "basic":
            return await _by_password(state, text, address_of(request))
        case _:
            _refuse_foreign(request)
            return await _by_session(state, text)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def _refuse_foreign(request: Request) -> None:
    """Forbidden for what another site has a browser do with the cookie it keeps for us.

    Browsers say so in Sec-Fetch-Site, or in Origin (Fetch Standard; OWASP, Cross-Site Request Forgery Prevention);
    tools say neither.
    """
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = {f"{scheme}://{request.headers.get('host', '')}" for scheme in ("http", "https")}
    if site not in {None, "same-origin", "none"} or (origin is not None and origin not in own):
        raise Forbidden("another site has sent this request; open the Dashboard itself")


def digest(secret: str) -> bytes:
    """What is stored of a random secret; 256 random bits need no more than one SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


async def _by_group_key(state: Control, text: str) -> Caller:
    statement = select(group_key.c.group_id).where(group_key.c.token_hash == digest(text))
    async with state.store.reading() as connection:
        group_id = (await connection.execute(statement)).scalar_one_or_none()
    if group_id is None:
        raise Unauthorized("the admin key is not valid; make a new one with PUT /api/gateway_groups/:id/admin_key")
    return Caller(f"admin key of {group_id}", "api", group_id=group_id)


async def _by_token(state: Control, text: str) -> Caller:
    statement = (
        select(
            user,
            token.c.id.label("token_id"),
            token.c.name.label("token_name"),
            token.c.expires_at,
            token.c.last_used_at,
            token.c.gateway_groups,
            token.c.actions,
        )
        .join(token, token.c.user_id == user.c.id)
        .where(token.c.token_hash == digest(text))
    )
    async with state.store.reading() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise Unauthorized("the token is not valid")
    if row.expires_at is not None and row.expires_at <= state.now():
        raise Unauthorized(f"the token [{row.token_name}] has expired")
    await _used(state, row)
    return replace(_user(row, "api"), token_name=row.token_name, scope=_scope(row.gateway_groups, row.actions))


async def _used(state: Control, row: Row[Any]) -> None:
    """Note that the token was used, to the minute."""
    now = state.now()
    if row.last_used_at is None or now - row.last_used_at > timedelta(minutes=1):
        async with state.store.reading() as connection:
            await connection.execute(token.update().where(token.c.id == row.token_id).values(last_used_at=now))


def _scope(groups: Sequence[str] | None, actions: Sequence[str] | None) -> Policy | None:
    """What a token is limited to; None: to what its user may do."""
    if groups is None and actions is None:
        return None
    within = [f"arn:api7:gateway:gatewaygroup/{group}{below}" for group in groups or () for below in ("", "/*")]
    resources = ("*",) if groups is None else tuple(within)
    return Policy("the token's scope", (Statement(resources, tuple(actions or ("*",))),))


async def _by_password(state: Control, text: str, address: str) -> Caller:
    scheme, _, encoded = text.partition(" ")
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        username = colon = password = ""
    if scheme.lower() != "basic" or not colon or NUL in username:
        raise Unauthorized("the Authorization header is not valid HTTP Basic")
    row = await user_by_name(state, username)
    if row is not None and state.passwords.remembers(row.password_hash, password):
        return _user(row, "api")
    await lockout.check(state, username, address)
    if not await state.passwords.verify_again(row.password_hash if row else None, password) or row is None:
        await lockout.failed(state, username, address)
        raise Unauthorized("wrong username or password")
    return _user(row, "api")


async def _by_session(state: Control, text: str) -> Caller:
    now = state.now()
    statement = (
        select(user)
        .join(session, session.c.user_id == user.c.id)
        .where(
            and_(
                session.c.token_hash == digest(text),
                session.c.expires_at > now,
                session.c.created_at > now - timedelta(hours=state.settings.session_longest_hours),
            )
        )
    )
    async with state.store.reading() as connection:
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise Unauthorized("the session has ended; log in again")
        await connection.execute(
            session.update()
            .where(session.c.token_hash == digest(text), session.c.expires_at < later(state, now, part=0.9))
            .values(expires_at=later(state, now))
        )
    return _user(row, "dashboard", session=digest(text))


def later(state: Control, now: datetime, part: float = 1) -> datetime:
    """When a session used now ends; with `part`, after that share of its life."""
    return now + timedelta(hours=state.settings.session_hours * part)


async def user_by_name(state: Control, username: str) -> Row[Any] | None:
    """The user of this name who has a password here."""
    async with state.store.reading() as connection:
        mine = (user.c.username == username) & (user.c.login_option_id == BUILT_IN)
        return (await connection.execute(select(user).where(mine))).one_or_none()


def _user(row: Row[Any], source: Literal["dashboard", "api"], session: bytes | None = None) -> Caller:
    return Caller(
        row.username,
        source,
        user_id=row.id,
        roles=tuple(row.roles),
        boundary=tuple(row.boundary),
        must_change_password=row.must_change_password,
        session=session,
    )
