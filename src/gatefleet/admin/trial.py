"""A direct edit that is only tried: what it would change, and what it would mean for the service's version."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gatefleet.admin.conflicts import conflicts, neighbours
from gatefleet.admin.publication import guard
from gatefleet.resources import KINDS, Document
from gatefleet.resources.diff import diff, sentences
from gatefleet.resources.publishing import Outcome, runs
from gatefleet.store import Documents
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Releases

Families = Mapping[str, Sequence[Document]]


async def tried(
    documents: Documents, cipher: Cipher, document: Document, *, gone: bool = False, moved_from: str | None = None
) -> dict[str, Any]:
    """What writing or deleting this document would do, as JSON like that of a release's dry run.

    `moved_from`: the service it belonged to before. Invalid if services come to the group by publishing only.
    """
    documents.check_free([document])
    await guard(documents, document, gone=gone)
    families = await _families(documents, document, moved_from)
    present = [each for family in families.values() for each in family]
    after = list((_gone(document, present) if gone else Outcome((document,))).after(present))
    services: Families = families if any(each.kind == "services" for each in present) else {}
    found = conflicts(after, await neighbours(documents, after) if services else [])
    leaving = await _leaving(Releases(documents.connection, cipher), documents.group_id, services, after)
    changes = diff(present, after)
    group = {
        "gateway_group_id": documents.group_id,
        "changes": [change.plain() for change in changes],
        "text": sentences(changes),
        "conflicts": found.plain(),
    }
    warnings = [*leaving, *found.warnings(documents.group_id)]
    return {"dry_run": True, "operation": "edit", "groups": [group], "versions": [], "warnings": warnings}


async def _families(documents: Documents, document: Document, moved_from: str | None) -> Families:
    """The document's owner, or itself, with all that stands below: by id. If it moves, its old owner's too."""
    owner = KINDS[document.kind].owner
    if owner is None:
        return {document.key: await documents.family(document.kind, document.key)}
    ids = dict.fromkeys(each for each in (moved_from, document.parent) if each is not None)
    return {each: await documents.family(owner.kind, each) for each in ids}


def _gone(document: Document, present: Iterable[Document]) -> Outcome:
    taken = present if KINDS[document.kind].owner is None else [document]
    return Outcome((), tuple((each.kind, each.key) for each in taken))


async def _leaving(releases: Releases, group_id: str, services: Iterable[str], after: Sequence[Document]) -> list[str]:
    """A sentence for every service that would run no version any more."""
    found: list[str] = []
    for service_id in services:
        publication = await releases.publication(group_id, service_id)
        version = await releases.version(publication.version_id) if publication and publication.version_id else None
        own = [each for each in after if service_id in {each.parent, each.id if each.parent is None else None}]
        if version and not runs(version.content, own):
            found.append(f"gateway group [{group_id}]: service [{service_id}] leaves version [{version.name}]")
    return found
