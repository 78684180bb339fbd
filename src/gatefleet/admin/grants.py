"""What a user's roles allow: his policies, and what a request is about, asked of them one resource after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final, cast

import msgspec
from fastapi import Request
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.permissions import Permission
from gatefleet.admin.policies import Asked, Decision, Policy, Statement, decide
from gatefleet.admin.web import control, read_json
from gatefleet.errors import Forbidden, Invalid
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.tables import gateway_group, resource, service_version, template

ALL: Final = "*"
BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
LABELLED: Final = {"service_label": "services", "consumer_label": "consumers"}
NAMED: Final = ("group", "service", "template", "id")
Names = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Grants:
    """The policies of a user's roles, those of his permission boundary, and what his token is limited to."""

    policies: Sequence[Policy]
    boundary: Sequence[Policy]
    scope: Policy | None = None

    def decide(self, asked: Asked) -> Decision:
        if self.scope and not self.scope.says(asked):
            return Decision(allowed=False, policy=self.scope.name, reason="it does not reach so far")
        return decide(self.policies, self.boundary, asked)

    def labels(self) -> frozenset[str]:
        """Whose labels the conditions look at."""
        return frozenset(name for policy in (*self.policies, *self.boundary) for name in policy.labels)


async def load(
    connection: AsyncConnection, roles: Iterable[str], boundary: Iterable[str], scope: Policy | None = None
) -> Grants:
    """What these roles allow within the boundary; read with each request, so a change counts at once everywhere."""
    held = await connection.execute(select(role.c.policies).where(role.c.id.in_(list(roles))))
    given = {policy for policies in held.scalars() for policy in policies}
    bounding = set(boundary)
    columns = (permission_policy.c.id, permission_policy.c.name, permission_policy.c.statement)
    rows = (await connection.execute(select(*columns).where(permission_policy.c.id.in_(given | bounding)))).all()
    compiled = {row.id: _compiled(row.name, msgspec.json.encode(row.statement)) for row in rows}
    missing = bounding - compiled.keys()
    nothing = [Policy("a boundary that is gone", ())] if missing else []
    return Grants(
        [compiled[id_] for id_ in sorted(given & compiled.keys())],
        [*(compiled[id_] for id_ in sorted(bounding & compiled.keys())), *nothing],
        scope,
    )


async def check(request: Request, grants: Grants, permission: Permission, group_id: str | None, who: str) -> None:
    """Forbidden unless the permission is granted for every resource that the request names."""
    async with control(request).store.reading() as connection:
        names = await _names(request, connection, permission, group_id)
        labels = await _labels(connection, grants.labels(), names)
    for group, service, template_id, id_ in product(
        *(sorted(names[n]) for n in ("group", "service", "template", "id"))
    ):
        asked = Asked(
            permission.action,
            permission.resource.format(group=group, service=service, template=template_id, id=id_),
            {
                "gateway_group_label": labels.get(("group", group), {}),
                "service_label": labels.get((group, "services", service), {}),
                "consumer_label": labels.get((group, "consumers", id_), {}),
            },
        )
        decision = grants.decide(asked)
        if not decision.allowed:
            raise Forbidden(_refusal(who, asked, decision))


async def visible_groups(connection: AsyncConnection, grants: Grants, permission: Permission) -> Sequence[str]:
    """The gateway groups for which the permission is granted."""
    rows = await connection.execute(select(gateway_group.c.id, gateway_group.c.labels))
    asked = (
        (
            row.id,
            Asked(permission.action, permission.resource.format(group=row.id), {"gateway_group_label": row.labels}),
        )
        for row in rows
    )
    return [id_ for id_, one in asked if grants.decide(one).allowed]


@lru_cache(maxsize=1000)
def _compiled(name: str, statements: bytes) -> Policy:
    return Policy(name, msgspec.json.decode(statements, type=tuple[Statement, ...]))


async def _names(
    request: Request, connection: AsyncConnection, permission: Permission, group_id: str | None
) -> dict[str, frozenset[str]]:
    """Everything the request names, by path, query and body, and the owners of what it names; `*` where nothing is."""
    body = await _object(request)
    path: str = request.scope["route"].path
    params, query = request.path_params, request.query_params
    groups = {group_id, *_texts(body, "gateway_group_id"), *_texts(body, "gateway_group_ids")}
    groups |= {other for other in (query.get("with"),) if other and not other.isdecimal()}
    groups |= set(query.get("gateway_group_ids", "").split(","))
    services = {query.get("service_id"), params.get("sid"), *_texts(body, "service_id")}
    if isinstance(items := body.get("services"), list):
        for item in cast("list[Any]", items):
            services.update(_texts(cast("Mapping[str, Any]", item), "service_id") if isinstance(item, dict) else ())
    templates: set[str | None] = set()
    own = params["owner_id"] if "/consumers/{owner_id}" in path else params.get("id")
    if "/services/{owner_id}" in path or "/services/{id}" in path:
        services.add(params.get("owner_id", own))
    if "{template" in permission.resource:
        templates = {*await _templates(connection, path, own), *(services - {None})}
    elif own and "{service" in permission.resource:
        services |= await _owners(connection, path, groups - {None}, own)
    found = {"group": groups, "service": services, "template": templates, "id": {own}}
    return {
        kind: frozenset(str(name) for name in named - {None, ""}) or frozenset({ALL}) for kind, named in found.items()
    }


async def _object(request: Request) -> Mapping[str, Any]:
    """The request's body, if it is an object; the handler says what is wrong with it otherwise."""
    if request.method not in BODY_METHODS:
        return {}
    try:
        body = await read_json(request)
    except Invalid:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _texts(body: Mapping[str, Any], key: str) -> Iterable[str]:
    value = body.get(key)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return (item for item in items if isinstance(item, str))


async def _owners(connection: AsyncConnection, path: str, groups: Iterable[Any], id_: str) -> set[str | None]:
    """The services that routes of this id belong to."""
    kind = next((kind for kind in ("stream_routes", "routes") if f"/{kind}/{{id}}" in path), None)
    if kind is None:
        return set()
    mine = (resource.c.kind == kind) & (resource.c.key == id_) & resource.c.group_id.in_(list(groups))
    return set((await connection.execute(select(resource.c.parent).where(mine))).scalars())


async def _templates(connection: AsyncConnection, path: str, id_: str | None) -> set[str | None]:
    """The service templates that a template's route, or a version, belongs to."""
    if id_ is None:
        return set()
    if "/service_versions/" in path:
        statement = select(service_version.c.service_id).where(service_version.c.id == id_)
        return set((await connection.execute(statement)).scalars())
    if "routes/template/" in path:
        statement = select(template.c.parent).where(template.c.id == id_, template.c.kind != "services")
        return set((await connection.execute(statement)).scalars())
    return {id_}


async def _labels(
    connection: AsyncConnection, wanted: frozenset[str], names: Names
) -> dict[tuple[str, ...], Mapping[str, str]]:
    """The labels that conditions look at, of what the request names."""
    found: dict[tuple[str, ...], Mapping[str, str]] = {}
    if "gateway_group_label" in wanted:
        statement = select(gateway_group.c.id, gateway_group.c.labels).where(gateway_group.c.id.in_(names["group"]))
        found |= {("group", row.id): row.labels for row in await connection.execute(statement)}
    for label, kind in LABELLED.items():
        if label in wanted:
            ids = names["service"] if kind == "services" else names["id"]
            rows = await connection.execute(_labelled(kind, names["group"], ids))
            found |= {(row.group_id, kind, row.key): _own_labels(row) for row in rows}
    return found


def _labelled(kind: str, groups: Iterable[str], keys: Iterable[str]) -> Any:
    columns = (resource.c.group_id, resource.c.key, resource.c.body["labels"].label("labels"))
    here = (resource.c.kind == kind) & resource.c.group_id.in_(list(groups)) & resource.c.key.in_(list(keys))
    return select(*columns).where(here)


def _own_labels(row: Row[Any]) -> Mapping[str, str]:
    return cast("Mapping[str, str]", row.labels) if isinstance(row.labels, dict) else {}


def _refusal(who: str, asked: Asked, decision: Decision) -> str:
    statement = f", statement {decision.statement}" if decision.statement >= 0 else ""
    by = f" (policy [{decision.policy}]{statement})" if decision.policy else ""
    return f"user [{who}] is not allowed to do [{asked.action}] with [{asked.resource}]: {decision.reason}{by}"
