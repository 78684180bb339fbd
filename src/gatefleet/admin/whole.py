"""Bringing a whole group from what it holds to what it shall hold: told before it is done, and then done."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gatefleet.admin.conflicts import Conflicts, conflicts
from gatefleet.admin.publication import guard
from gatefleet.resources import KINDS, Document
from gatefleet.resources.diff import Change, diff, same, sentences
from gatefleet.resources.publishing import Outcome, runs
from gatefleet.store import Documents
from gatefleet.store.releases import Deed, Releases, Version
from gatefleet.store.tables import publication


@dataclass(frozen=True, slots=True)
class Choice:
    """The version of each touched service from then on, and the ids of those that services ran until then."""

    versions: Mapping[str, Version | None]
    ran: Mapping[str, str | None]


Candidates = Callable[[str, str | None], Awaitable[Sequence[Version]]]
"""The versions a service may run, best first, by its id and the id of the version it ran until now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be written, what that changes, and which routes would answer the same requests.

    `gone` is all that is deleted; `families` are the services that are touched, with what they will hold.
    """

    outcome: Outcome
    gone: tuple[Document, ...]
    changes: tuple[Change, ...]
    conflicts: Conflicts
    families: Mapping[str, Sequence[Document]]

    @property
    def empty(self) -> bool:
        return not self.outcome.upserts and not self.outcome.deletes

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "changed": not self.empty,
            "changes": [change.plain() for change in self.changes],
            "text": sentences(self.changes),
            "conflicts": self.conflicts.plain(),
        }


def plan(before: Iterable[Document], after: Iterable[Document]) -> Plan:
    """What leads from one state of a group to another; what is the same in both is not written."""
    old = {(document.kind, document.key): document for document in before}
    new = {(document.kind, document.key): document for document in after}
    gone = tuple(document for name, document in old.items() if name not in new)
    lost = {(document.kind, document.id) for document in gone}
    upserts = tuple(
        document
        for name, document in new.items()
        if not same(held := old.get(name), document) or (held and _owner(held) in lost)
    )
    services = {service for document in (*upserts, *gone) if (service := service_of(document))}
    families: dict[str, list[Document]] = {service: [] for service in sorted(services)}
    others: list[Document] = []
    for document in new.values():
        families.get(service_of(document) or "", others).append(document)
    changed = [old[name] for name in old if name in {(document.kind, document.key) for document in upserts}]
    return Plan(
        Outcome(upserts, _roots(gone)),
        gone,
        diff([*changed, *gone], upserts),
        conflicts((document for family in families.values() for document in family), others),
        families,
    )


async def chosen(documents: Documents, planned: Plan, candidates: Candidates) -> Choice:
    """Which version every touched service runs from then on: the first candidate that says what it will do."""
    mine = select(publication).where(publication.c.group_id == documents.group_id)
    ran = {row.service_id: row.version_id for row in await documents.connection.execute(mine)}
    choice: dict[str, Version | None] = {}
    for service_id, family in planned.families.items():
        possible = await candidates(service_id, ran.get(service_id))
        choice[service_id] = next((version for version in possible if runs(version.content, family)), None)
    return Choice(choice, ran)


async def carry_out(documents: Documents, releases: Releases, planned: Plan, choice: Choice, deed: Deed) -> None:
    """Write a plan that was made in this very transaction, and what versions its services run."""
    await documents.delete_all(planned.outcome.deletes)
    await documents.put_all(planned.outcome.upserts)
    for service_id, version in choice.versions.items():
        there = any(document.kind == "services" for document in planned.families[service_id])
        ran = choice.ran.get(service_id)
        if not there:
            await releases.end_publication(documents.group_id, service_id, deed)
        elif version and version.id != ran:
            await releases.publish(documents.group_id, version, deed)
        elif ran and version is None:
            await releases.clear_version(documents.group_id, service_id, deed)


async def guard_all(documents: Documents, planned: Plan, but: Collection[str] = ()) -> None:
    """Invalid if it changes what only publishing may in this group; `but`: services that this is not asked of."""
    if documents.restricted:
        for document in planned.outcome.upserts:
            if service_of(document) not in but:
                await guard(documents, document)
        for document in planned.gone:
            if service_of(document) not in but:
                await guard(documents, document, gone=True)


def service_of(document: Document) -> str | None:
    """The service a document is or belongs to."""
    if document.kind == "services":
        return document.id
    owner = KINDS[document.kind].owner
    return document.parent if owner and owner.kind == "services" else None


def _roots(gone: Sequence[Document]) -> tuple[tuple[str, str], ...]:
    """What to delete so that all of these are gone: what a deleted owner takes along need not be named."""
    names = {(document.kind, document.id) for document in gone}
    return tuple((document.kind, document.key) for document in gone if _owner(document) not in names)


def _owner(document: Document) -> tuple[str, str | None] | None:
    """Kind and id of what a document belongs to, and is deleted with."""
    owner = KINDS[document.kind].owner
    return (owner.kind, document.parent) if owner else None
