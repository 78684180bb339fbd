"""Roles and the permission policies they are made of; what is built in never changes."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.grants import Subject
from gatefleet.admin.openapi import OBJECT, TEXT, TIME, many, one
from gatefleet.admin.policies import Policy, Statement, read_statements
from gatefleet.admin.preconditions import refuse_unless, tagged
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.visible import permitted
from gatefleet.admin.web import answer, control, listing, read_json, read_object, read_shape, unix, value
from gatefleet.errors import Conflict, Forbidden, Invalid, NotFound
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.tables import user

ROLES: Final = "/api/roles"
POLICIES: Final = "/api/permission_policies"
_COMMON: Final = {"id": TEXT, "name": TEXT, "desc": TEXT, "labels": OBJECT, "created_at": TIME, "updated_at": TIME}
ROLE: Final = {"type": "object", "properties": {**_COMMON, "policies": {"type": "array", "items": TEXT}}}
POLICY: Final = {"type": "object", "properties": {**_COMMON, "statement": {"type": "array", "items": OBJECT}}}


class Wanted(msgspec.Struct, omit_defaults=True):
    """What roles and policies have in common."""

    name: str
    desc: str = ""
    labels: dict[str, str] = {}

    def values(self) -> dict[str, Any]:
        """Columns and values; Invalid for a name that cannot be."""
        if not 1 <= len(self.name) <= 100:
            raise Invalid('Error at "/name": the string length must be from 1 to 100')
        return {"name": self.name, "desc": self.desc, "labels": self.labels}


class WantedRole(Wanted):
    """`policies`: ids of permission policies."""

    policies: list[str] = []


class WantedPolicy(Wanted):
    """`statement` is read apart, as conditions come in two forms."""

    statement: Any = None


def router() -> APIRouter:
    api = APIRouter(tags=["access"])
    for path, table, name, many_name, body, shape in (
        (ROLES, role, "Role", "Roles", WantedRole, ROLE),
        (POLICIES, permission_policy, "PermissionPolicy", "PermissionPolicies", WantedPolicy, POLICY),
    ):
        handlers = _Handlers(table, name)
        add(api, "GET", path, handlers.list, system(f"List{many_name}", filtered=True), answers=many(shape))
        add(api, "POST", path, handlers.create, system(f"Create{name}"), body=body, answers=one(shape))
        add(api, "GET", f"{path}/{{id}}", handlers.get, system(f"Get{name}"), answers=one(shape))
        add(api, "PUT", f"{path}/{{id}}", handlers.put, system(f"Update{name}"), body=body, answers=one(shape))
        add(api, "DELETE", f"{path}/{{id}}", handlers.delete, system(f"Delete{name}"), answers=one())
    own = f"{ROLES}/{{id}}"
    ids = {"type": "array", "items": TEXT}
    add(api, "GET", f"{own}/permission_policies", _policies_of_role, system("GetRole"), answers=many(POLICY))
    for action, keep in (("attach", True), ("detach", False)):
        add(
            api,
            "POST",
            f"{own}/{action}_permission_policies",
            _attach if keep else _detach,
            system("UpdateRole"),
            body=ids,
            answers=one(ROLE),
        )
    return api


class _Handlers:
    """List, create, read, replace, delete rows of one of the two tables."""

    def __init__(self, table: Table, name: str) -> None:
        self._table, self._name = table, name

    async def list(self, request: Request) -> Response:
        query, t = read_query(request), self._table.c
        statement = select(self._table).order_by(t.created_at.desc(), t.id)
        if query.name is not None:
            statement = statement.where(t.name == query.name)
        elif query.search:
            statement = statement.where(t.name.icontains(query.search, autoescape=True))
        for key, wanted in query.labels.items():
            statement = statement.where(t.labels.has_key(key) if wanted is None else t.labels.contains({key: wanted}))
        async with control(request).store.reading() as connection:
            rows = (await connection.execute(statement)).all()
        readable = permitted(request, rows, self._subjects)
        return listing([_shown(row) for row in page_of(readable, query)], len(readable))

    def _subjects(self, row: Row[Any]) -> Iterable[Subject]:
        yield Subject(id=row.id, labels={f"{self._table.name.replace('_', '')}_label": row.labels})

    async def get(self, request: Request) -> Response:
        async with control(request).store.reading() as connection:
            return _tagged(await _existing(connection, self._table, request.path_params["id"]))

    async def create(self, request: Request) -> Response:
        values = await self._read(request)
        async with audit.transact(request) as connection, _name_free(self._name, values["name"]):
            await _known_policies(connection, values.get("policies", ()))
            statement = insert(self._table).values(id=str(uuid4()), **values).returning(self._table)
            row = (await connection.execute(statement)).one()
            audit.note(request, self._table.name, row.id, values, answer=_shown(row))
        return _tagged(row)

    async def put(self, request: Request) -> Response:
        values, id_ = await self._read(request), request.path_params["id"]
        async with audit.transact(request) as connection, _name_free(self._name, values["name"]):
            refuse_unless(request, _tag(await _changeable(connection, self._table, id_)))
            await _known_policies(connection, values.get("policies", ()))
            row = await _update(connection, self._table, id_, values)
            audit.note(request, self._table.name, id_, values, answer=_shown(row))
        return _tagged(row)

    async def delete(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        async with audit.transact(request) as connection:
            await _changeable(connection, self._table, id_)
            users = await connection.execute(_users_of(self._table, id_))
            roles = await connection.execute(select(role.c.name).where(role.c.policies.contains([id_])).limit(3))
            found = [*(f"user [{name}]" for name in users.scalars()), *(f"role [{name}]" for name in roles.scalars())]
            if found:
                raise Invalid(f"[{id_}] cannot be deleted: {', '.join(found)} still using it; take it away first")
            await connection.execute(delete(self._table).where(self._table.c.id == id_))
            audit.note(request, self._table.name, id_)
        return answer({"value": {}})

    async def _read(self, request: Request) -> dict[str, Any]:
        if self._table is role:
            wanted = await read_shape(request, WantedRole)
            return {**wanted.values(), "policies": list(dict.fromkeys(wanted.policies))}
        policy = await read_shape(request, WantedPolicy)
        return {**policy.values(), "statement": _statements(policy.name, await read_object(request))}


def _tag(row: Row[Any]) -> str:
    """The ETag of a row: when it was written last, to the microsecond."""
    return f'"{row.updated_at.timestamp():.6f}"'


def _tagged(row: Row[Any]) -> Response:
    return tagged(_tag(row), _shown(row))


def _statements(name: str, body: Mapping[str, Any]) -> Sequence[Any]:
    statements: tuple[Statement, ...] = read_statements(body.get("statement"))
    Policy(name, statements)
    return msgspec.to_builtins(statements)


def _users_of(table: Table, id_: str) -> Any:
    held = user.c.roles if table is role else user.c.boundary
    return select(user.c.username).where(held.contains([id_])).limit(3)


async def _policies_of_role(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        held = (await _existing(connection, role, request.path_params["id"])).policies
        rows = await connection.execute(select(permission_policy).where(permission_policy.c.id.in_(held)))
        by_id = {row.id: row for row in rows}
    return listing([_shown(by_id[id_]) for id_ in held if id_ in by_id])


async def _attach(request: Request) -> Response:
    return await _change_policies(request, _with)


async def _detach(request: Request) -> Response:
    return await _change_policies(request, _without)


def _with(held: Sequence[str], given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*held, *given]))


def _without(held: Sequence[str], given: Sequence[str]) -> list[str]:
    return [id_ for id_ in held if id_ not in given]


async def _change_policies(request: Request, change: Callable[[Sequence[str], Sequence[str]], list[str]]) -> Response:
    given = await read_json(request)
    try:
        ids = msgspec.convert(given, list[str])
    except msgspec.ValidationError as error:
        raise Invalid(f"the body must be an array of ids of permission policies: {error}") from error
    id_ = request.path_params["id"]
    async with audit.transact(request) as connection:
        row = await _changeable(connection, role, id_)
        await _known_policies(connection, ids)
        changed = await _update(connection, role, id_, {"policies": change(row.policies, ids)})
        audit.note(request, role.name, id_, {"policies": changed.policies}, answer=_shown(changed))
    return value(_shown(changed))


async def _existing(connection: AsyncConnection, table: Table, id_: str, *, lock: bool = False) -> Row[Any]:
    statement = select(table).where(table.c.id == id_)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound(f"{table.name.replace('_', ' ')} [{id_}] not found")
    return row


async def _changeable(connection: AsyncConnection, table: Table, id_: str) -> Row[Any]:
    row = await _existing(connection, table, id_, lock=True)
    if row.built_in:
        raise Forbidden(f"{table.name.replace('_', ' ')} [{row.name}] is built in and never changes")
    return row


async def _update(connection: AsyncConnection, table: Table, id_: str, values: Mapping[str, Any]) -> Row[Any]:
    fresh = {**values, "updated_at": func.clock_timestamp()}
    return (await connection.execute(update(table).where(table.c.id == id_).values(fresh).returning(table))).one()


async def _known_policies(connection: AsyncConnection, ids: Iterable[str]) -> None:
    wanted = list(ids)
    found = await connection.execute(select(permission_policy.c.id).where(permission_policy.c.id.in_(wanted)))
    if unknown := sorted(set(wanted) - set(found.scalars())):
        raise Invalid(f'Error at "/policies": permission policies {unknown} not found')


def _shown(row: Row[Any]) -> dict[str, Any]:
    own = {name: part for name in ("statement", "policies") if (part := getattr(row, name, None)) is not None}
    return {
        "id": row.id,
        "name": row.name,
        "desc": row.desc,
        "labels": row.labels,
        **own,
        "built_in": row.built_in,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }


@asynccontextmanager
async def _name_free(what: str, name: str) -> AsyncGenerator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"a {what} named [{name}] already exists") from error
