"""The one core of every release: what an order does to each gateway group, told before it is done, and then done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.conflicts import Conflicts, conflicts, neighbours
from gatefleet.admin.orders import Item, Order
from gatefleet.admin.servable import check_servable
from gatefleet.admin.wanted import WHERE, Wanted, wanted_of
from gatefleet.errors import Conflict, Invalid, NotFound
from gatefleet.resources import KINDS, Document
from gatefleet.resources.accept import accept
from gatefleet.resources.diff import Change, diff, sentences
from gatefleet.resources.messages import error_at
from gatefleet.resources.publishing import Outcome, publish
from gatefleet.resources.relations import references
from gatefleet.store import Documents, Kin
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Deed, Draft, Releases, Version
from gatefleet.store.store import looking


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one service in one group.

    `present` is what the group has of it, `outcome` what has to be written, `version` what it runs from then on and
    `running` the id of the version it runs now.
    """

    service_id: str
    action: str
    present: tuple[Document, ...]
    outcome: Outcome
    version: Draft | None = None
    running: str | None = None

    @property
    def service(self) -> Document:
        """The service as it is once the step is done; LookupError if it is gone then."""
        return next(d for d in self.outcome.after(self.present) if d.kind == "services")

    @property
    def idle(self) -> bool:
        """Whether the group runs just this already."""
        if self.outcome.upserts or self.outcome.deletes:
            return False
        if self.version is None:
            return self.running is None
        return isinstance(self.version, Version) and self.version.id == self.running


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What becomes of one group."""

    group_id: str
    steps: tuple[Step, ...]
    conflicts: Conflicts = field(default_factory=Conflicts)

    def changes(self) -> tuple[Change, ...]:
        """The difference it makes to the group's configuration."""
        before = [document for step in self.steps for document in step.present]
        after = [document for step in self.steps for document in step.outcome.after(step.present)]
        return diff(before, after)

    def plain(self) -> dict[str, Any]:
        """As JSON, for dry runs."""
        changes = self.changes()
        return {
            "gateway_group_id": self.group_id,
            "changes": [change.plain() for change in changes],
            "text": sentences(changes),
            "conflicts": self.conflicts.plain(),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What an order does, group by group.

    `begins`: the runtime configuration by service that groups begin with. `named`: the version that the source of a
    sync had no name for.
    """

    operation: str
    note: str
    groups: tuple[GroupPlan, ...]
    versions: tuple[Draft, ...] = ()
    begins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    source_group_id: str | None = None
    named: Draft | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON, for dry runs."""
        return {
            "dry_run": True,
            "operation": self.operation,
            "groups": [group.plain() for group in self.groups],
            "versions": [version_value(version) for version in self.versions],
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """Sentences about what is allowed and yet worth a look."""
        return [said for group in self.groups for said in group.conflicts.warnings(group.group_id)]

    def refuse_duplicates(self) -> None:
        """Conflict if requests would have two answers. Going back is never refused: it must always be possible."""
        if self.operation in {"publish", "sync"}:
            for group in self.groups:
                group.conflicts.refuse_duplicates(group.group_id)


async def plan(releases: Releases, order: Order, groups: Mapping[str, Documents]) -> Plan:
    """What the order does to its groups as they are; writes nothing.

    `groups` holds every group the order touches. NotFound or Invalid, naming the field, for what cannot be done;
    Conflict if a version's name is taken by other content, or a route's id by another service.
    """
    if len({item.service_id for item in order.items}) < len(order.items):
        raise Invalid('Error at "/services": a service stands in it twice')
    wanted = [await wanted_of(releases, order, number, groups) for number in range(len(order.items))]
    versions = tuple(each.version for each in wanted if each.version)
    planned = [await _plan_group(releases, order, groups[group_id], wanted) for group_id in order.groups]
    source = order.source_group_id or None
    named = next((each.version for each in wanted if each.names_source), None)
    begins = {each.item.service_id: each.first_runtime for each in wanted}
    return Plan(order.operation, order.note, tuple(planned), versions, begins, source, named)


async def reading(connection: AsyncConnection, cipher: Cipher, order: Order) -> Mapping[str, Documents]:
    """The groups of an order for a plan that nobody carries out; NotFound if one is not there."""
    return {group_id: await looking(connection, cipher, group_id) for group_id in order.touched()}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a plan: the revision each group is at, and the versions that were released."""

    revisions: Mapping[str, int]
    versions: tuple[Version, ...]
    warnings: Sequence[str]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        versions = [version_value(version) for version in self.versions]
        return {"revisions": self.revisions, "warnings": self.warnings, "versions": versions}


async def carry_out(releases: Releases, planned: Plan, groups: Mapping[str, Documents], operator: str) -> Done:
    """Write a plan that was made in this very transaction, with its history."""
    made = await _made(releases, planned.versions, operator)
    for group in planned.groups:
        await _write(releases, planned, group, groups[group.group_id], made, operator)
    if planned.named and planned.source_group_id:
        source = groups[planned.source_group_id]
        deed = Deed("sync", operator, revision_of(source), planned.note, source.group_id)
        await releases.publish(source.group_id, made[planned.named.service_id], deed)
    revisions = {group.group_id: revision_of(groups[group.group_id]) for group in planned.groups}
    versions = tuple(made[version.service_id] for version in planned.versions)
    return Done(revisions, versions, planned.warnings())


async def pinned(releases: Releases, order: Order, planned: Plan, operator: str) -> Order:
    """The order with its versions made and named by id: done later, it does the same whatever templates became."""
    made = await _made(releases, planned.versions, operator)
    items = tuple(_of_version(item, made.get(item.service_id)) for item in order.items)
    begins = {service_id: dict(runtime) for service_id, runtime in planned.begins.items()}
    return msgspec.structs.replace(order, items=items, create_new_version=False, begins=begins)


def revision_of(documents: Documents) -> int:
    """The revision the group is at once this transaction commits."""
    return documents.revision if documents.touched else documents.revision - 1


def accepted(outcome: Outcome) -> Outcome:
    """The documents as they are stored; Invalid, naming the field, for what no node could serve."""
    fit: list[Document] = []
    service = next((document.body for document in outcome.upserts if document.kind == "services"), None)
    for document in outcome.upserts:
        stored = replace(document, body=accept(document.kind, document.id, document.body))
        check_servable(stored, service if document.kind == "stream_routes" else None)
        fit.append(stored)
    return replace(outcome, upserts=tuple(fit))


def version_value(version: Draft) -> dict[str, Any]:
    """What an answer says of a version in passing; no id: it is not made yet."""
    made = {"service_version_id": version.id, "number": version.number} if isinstance(version, Version) else {}
    told = {"note": version.note, "rollback_note": version.rollback_note, "owner": version.owner}
    return {
        "service_id": version.service_id,
        "version": version.name,
        **made,
        **{name: text for name, text in told.items() if text},
    }


async def _plan_group(releases: Releases, order: Order, documents: Documents, wanted: Sequence[Wanted]) -> GroupPlan:
    steps = [await _step(releases, order, documents, each) for each in wanted]
    if order.operation == "unpublish":
        return GroupPlan(documents.group_id, tuple(steps))
    coming = [document for step in steps for document in step.outcome.after(step.present)]
    return GroupPlan(documents.group_id, tuple(steps), conflicts(coming, await neighbours(documents, coming)))


async def _step(releases: Releases, order: Order, documents: Documents, wanted: Wanted) -> Step:
    service_id, version = wanted.item.service_id, wanted.version
    present = tuple(await documents.family("services", service_id))
    if version is None:
        if not present:
            raise NotFound(f"service [{service_id}] not found in gateway group [{documents.group_id}]")
        gone = Outcome((), tuple((document.kind, document.key) for document in present))
        return Step(service_id, "offline", present, gone)
    if order.operation == "rollback" and not present:
        raise NotFound(f"service [{service_id}] is not published to gateway group [{documents.group_id}] any more")
    outcome = publish(service_id, version.content, present, _runtime(order, wanted, present), wanted.first_runtime)
    outcome = accepted(outcome.against(present)).against(present)
    documents.check_free(outcome.upserts)
    await _fit(documents, service_id, outcome)
    _ask_for_nodes(order, documents.group_id, wanted, outcome.after(present))
    publication = await releases.publication(documents.group_id, service_id)
    running = publication.version_id if publication else None
    action = order.operation if order.operation != "publish" else await _action(releases, running, version)
    return Step(service_id, action, present, outcome, version, running)


def _runtime(order: Order, wanted: Wanted, present: Iterable[Document]) -> dict[str, Any]:
    """What the order sets. A sync says only where the upstream is: how it is talked to stays."""
    runtime = wanted.item.runtime()
    if order.operation != "sync" or "upstream" not in runtime:
        return runtime
    service = next((document.body for document in present if document.kind == "services"), wanted.first_runtime)
    upstream: Mapping[str, Any] = service.get("upstream") or {}
    kept = {key: part for key, part in upstream.items() if key not in WHERE}
    return {**runtime, "upstream": {**kept, **runtime["upstream"]}}


async def _fit(documents: Documents, service_id: str, outcome: Outcome) -> None:
    """Whether the group has what the documents name, and no other service has their ids."""
    ours = [(document.kind, document.key) for document in outcome.upserts if document.kind != "services"]
    named = [reference for document in outcome.upserts for reference in references(document.kind, document.body)]
    wanted = {*ours, *((reference.kind, reference.id) for reference in named)}
    there: Mapping[tuple[str, str], Kin] = await documents.kin(*wanted) if wanted else {}
    where = f"gateway group [{documents.group_id}]"
    for kind, key in ours:
        if (kind, key) in there and there[kind, key].parent != service_id:
            owner = there[kind, key].parent
            singular = KINDS[kind].singular.replace("_", " ")
            raise Conflict(f"{singular} [{key}] of service [{service_id}]: in {where} service [{owner}] has this id")
    for reference in named:
        if (reference.kind, reference.id) not in there:
            singular = KINDS[reference.kind].singular.replace("_", " ")
            raise Invalid(error_at(reference.at, f"{where} has no {singular} [{reference.id}]"))


def _ask_for_nodes(order: Order, group_id: str, wanted: Wanted, after: Iterable[Document]) -> None:
    """Invalid if no upstream of the service says where it is; an order may say itself that there is nothing to say."""
    upstreams = [document.body if document.kind == "upstreams" else document.body.get("upstream") for document in after]
    if order.operation == "rollback" or wanted.item.upstream is not None:
        return
    if not any(each and (each.get("nodes") or each.get("service_name")) for each in upstreams):
        at = "/upstream/nodes" if order.operation == "sync" else f"/services/{wanted.number}/upstream/nodes"
        raise Invalid(
            f'Error at "{at}": service [{wanted.item.service_id}] has no upstream nodes in gateway group [{group_id}] '
            "yet; give them, or an empty list if its plugins answer by themselves"
        )


async def _action(releases: Releases, running: str | None, version: Draft) -> str:
    """Publishing what came before the running version is going back."""
    old = await releases.version(running) if running else None
    return "rollback" if old and isinstance(version, Version) and old.number > version.number else "publish"


def _of_version(item: Item, version: Version | None) -> Item:
    if version is None:
        return item
    return msgspec.structs.replace(item, version=version.name, service_version_id=version.id, name=None, plugins=None)


async def _made(releases: Releases, versions: Iterable[Draft], operator: str) -> dict[str, Version]:
    """The versions by service, made if they are new; in an order all orders share: none waits in a circle."""
    ordered = sorted(versions, key=lambda version: version.service_id)
    return {
        version.service_id: version if isinstance(version, Version) else await releases.add_version(version, operator)
        for version in ordered
    }


async def _write(
    releases: Releases,
    planned: Plan,
    group: GroupPlan,
    documents: Documents,
    made: Mapping[str, Version],
    operator: str,
) -> None:
    documents.action, documents.note = planned.operation, planned.note
    for step in group.steps:
        service = ("services", step.service_id)
        for kind, key in [service] if service in step.outcome.deletes else step.outcome.deletes:
            await documents.delete(kind, key)
        await documents.put_all(step.outcome.upserts)
    source = planned.source_group_id if planned.operation == "sync" else None
    for step in group.steps:
        deed = Deed(step.action, operator, revision_of(documents), planned.note, source)
        if step.idle:
            continue
        match step.action:
            case "offline":
                await releases.end_publication(group.group_id, step.service_id, deed)
            case "enable" | "disable" | "runtime":
                await releases.remember(group.group_id, step.service_id, made.get(step.service_id), deed)
            case _:
                await releases.publish(group.group_id, made[step.service_id], deed)
