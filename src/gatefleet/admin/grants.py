"""What a user's roles allow: his policies, and what a request is about, asked of them one resource after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import Any, Final, cast

import msgspec
from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.permissions import Permission
from gatefleet.admin.policies import Asked, Decision, Policy, Statement, decide
from gatefleet.admin.web import control, read_json
from gatefleet.errors import Forbidden, Invalid
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.release_tables import ring
from gatefleet.store.tables import gateway_group, resource, service_version, template

ALL: Final = "*"
BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
LABELLED: Final = {"service_label": "services", "consumer_label": "consumers"}
OF_ROWS: Final = {"role_label": role, "permissionpolicy_label": permission_policy}
NEW: Final = {
    "gateway_groups": "gateway_group_label",
    "services": "service_label",
    "template": "service_label",
    "consumers": "consumer_label",
    "roles": "role_label",
    "permission_policies": "permissionpolicy_label",
}
"""Whose labels a body brings along that makes one of these, by the last fixed part of the path."""
NAMED: Final = ("group", "service", "template", "id")
Names = Mapping[str, frozenset[str]]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that a permission is asked for: its names, `*` for none, and its labels by the condition's name."""

    group: str = ALL
    service: str = ALL
    template: str = ALL
    id: str = ALL
    labels: Mapping[str, Labels] = field(default_factory=dict[str, Labels])

    def asked(self, permission: Permission) -> Asked:
        names = {"group": self.group, "service": self.service, "template": self.template, "id": self.id}
        return Asked(permission.action, permission.resource.format(**names), self.labels)


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
    compiled = {row.id: _compiled(row.id, row.name, msgspec.json.encode(row.statement)) for row in rows}
    missing = bounding - compiled.keys()
    nothing = [Policy("a boundary that is gone", ())] if missing else []
    return Grants(
        [compiled[id_] for id_ in sorted(given & compiled.keys())],
        [*(compiled[id_] for id_ in sorted(bounding & compiled.keys())), *nothing],
        scope,
    )


async def check(request: Request, grants: Grants, permission: Permission, group_id: str | None, who: str) -> None:
    """Forbidden unless the permission is granted for every resource that the request names.

    These are left in the request's state, for further questions.
    """
    async with control(request).store.reading() as connection:
        names = await _names(request, connection, permission, group_id)
        labels = await _labels(connection, grants.labels(), names)
    new = await _new_labels(request)
    subjects: list[Subject] = []
    request.state.subjects = subjects
    for group, service, template_id, id_ in product(*(sorted(names[n]) for n in NAMED)):
        subject = Subject(group, service, template_id, id_)
        said = {name: new.get(name, {}) if there is None else there for name, there in _known(labels, subject)}
        subjects.append(replace(subject, labels=said))
    for subject in subjects:
        asked = subject.asked(permission)
        decision = grants.decide(asked)
        if not decision.allowed:
            raise Forbidden(_refusal(who, asked, decision))


async def with_labels(connection: AsyncConnection, grants: Grants, subject: Subject) -> Subject:
    """The same with the labels that the conditions of these policies look at."""
    names = {name: frozenset({str(getattr(subject, name))}) for name in NAMED}
    labels = await _labels(connection, grants.labels(), names)
    return replace(subject, labels={name: there for name, there in _known(labels, subject) if there})


async def visible_groups(connection: AsyncConnection, grants: Grants, permission: Permission) -> Sequence[str]:
    """The gateway groups for which the permission is granted."""
    rows = await connection.execute(select(gateway_group.c.id, gateway_group.c.labels))
    asked = ((row.id, Subject(row.id, labels={"gateway_group_label": row.labels}).asked(permission)) for row in rows)
    return [id_ for id_, one in asked if grants.decide(one).allowed]


@lru_cache(maxsize=1000)
def _compiled(id_: str, name: str, statements: bytes) -> Policy:
    return Policy(name, msgspec.json.decode(statements, type=tuple[Statement, ...]), id_)


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
    if path == "/apisix/admin/consumers":
        own = next(iter(_texts(body, "username")), None)
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
    """The services that routes of this id belong to, or that a ring tries."""
    if "/rings/{id}" in path:
        found = (await connection.execute(select(ring.c.services).where(ring.c.id == id_))).scalars()
        return {str(service["id"]) for services in found for service in services}
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
            found |= {(row.group_id, kind, row.key): _own_labels(row.labels) for row in rows}
    if "service_label" in wanted:
        columns = select(template.c.id, template.c.body["labels"].label("labels"))
        rows = await connection.execute(
            columns.where(template.c.kind == "services", template.c.id.in_(names["template"]))
        )
        found |= {("template", row.id): _own_labels(row.labels) for row in rows}
    for label in wanted & OF_ROWS.keys():
        table = OF_ROWS[label]
        rows = await connection.execute(select(table.c.id, table.c.labels).where(table.c.id.in_(names["id"])))
        found |= {(label, row.id): row.labels for row in rows}
    return found


def _known(labels: Mapping[tuple[str, ...], Labels], subject: Subject) -> Iterable[tuple[str, Labels | None]]:
    """By the condition's name the labels of what a subject names; None for what is not there yet."""
    yield "gateway_group_label", labels.get(("group", subject.group))
    own = labels.get((subject.group, "services", subject.service))
    yield "service_label", labels.get(("template", subject.template)) if own is None else own
    yield "consumer_label", labels.get((subject.group, "consumers", subject.id))
    for name in OF_ROWS:
        yield name, labels.get((name, subject.id))


async def service_labels(connection: AsyncConnection, group_id: str) -> Mapping[str, Labels]:
    """The labels of every service of a group, by its id."""
    columns = select(resource.c.key, resource.c.body["labels"].label("labels"))
    rows = await connection.execute(columns.where(resource.c.group_id == group_id, resource.c.kind == "services"))
    return {row.key: _own_labels(row.labels) for row in rows}


async def group_labels(connection: AsyncConnection) -> Mapping[str, Labels]:
    """The labels of every gateway group, by its id."""
    rows = await connection.execute(select(gateway_group.c.id, gateway_group.c.labels))
    return {row.id: row.labels for row in rows}


async def _new_labels(request: Request) -> Mapping[str, Labels]:
    """The labels that the body gives to what it makes; they count only for what is not there yet."""
    fixed = [part for part in request.scope["route"].path.split("/") if not part.startswith("{")]
    body = await _object(request)
    return {NEW[fixed[-1]]: labels_of(body)} if fixed[-1] in NEW else {}


def labels_of(body: Mapping[str, Any]) -> Labels:
    """The labels of a document's body; none if they are no object of texts."""
    labels = body.get("labels")
    if not isinstance(labels, dict):
        return {}
    return {key: text for key, text in cast("dict[str, Any]", labels).items() if isinstance(text, str)}


def _labelled(kind: str, groups: Iterable[str], keys: Iterable[str]) -> Any:
    columns = (resource.c.group_id, resource.c.key, resource.c.body["labels"].label("labels"))
    here = (resource.c.kind == kind) & resource.c.group_id.in_(list(groups)) & resource.c.key.in_(list(keys))
    return select(*columns).where(here)


def _own_labels(labels: Any) -> Labels:
    return cast("Labels", labels) if isinstance(labels, dict) else {}


def _refusal(who: str, asked: Asked, decision: Decision) -> str:
    statement = f", statement {decision.statement}" if decision.statement >= 0 else ""
    by = f" (policy [{decision.policy}]{statement})" if decision.policy else ""
    return f"user [{who}] is not allowed to do [{asked.action}] with [{asked.resource}]: {decision.reason}{by}"
