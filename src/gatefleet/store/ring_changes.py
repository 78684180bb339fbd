"""Starting, promoting and rolling back a ring: each a change of its group, with a revision and history of its own."""

from typing import Final

from gatefleet.errors import Conflict
from gatefleet.resources import KINDS
from gatefleet.resources.rings import Overlay
from gatefleet.store import rings
from gatefleet.store.crypto import Cipher
from gatefleet.store.documents import NO_RING, Documents
from gatefleet.store.releases import Deed, Releases
from gatefleet.store.rings import Ring, Start

STARTED: Final = "ring-start"
PROMOTED: Final = "ring-promote"
ROLLED_BACK: Final = "ring-rollback"


async def begin(documents: Documents, cipher: Cipher, wanted: Start, operator: str) -> Ring:
    """Start a ring in the group that is being changed; Conflict while another one runs there."""
    made = await rings.start(documents.connection, cipher, documents.group_id, documents.revision, wanted, operator)
    await _tell(documents, cipher, made, STARTED, operator, _tried(made))
    return made


async def promote(documents: Documents, cipher: Cipher, found: Ring, operator: str, reason: str) -> Ring:
    """Have the whole group serve what the ring's members serve. Conflict if the ring is over already."""
    overlay = await rings.overlay(documents.connection, cipher, found.id)
    await _check_ids(documents, overlay)
    ended = await rings.end(documents.connection, found, "promoted", operator, reason)
    documents.ringed = NO_RING
    for kind, key in overlay.deletes:
        await documents.delete(kind, key)
    await documents.put_all(overlay.upserts)
    _raise(documents, PROMOTED, reason)
    releases = Releases(documents.connection, cipher)
    for service in found.services:
        version = await releases.version(service["service_version_id"])
        if version:
            deed = Deed(PROMOTED, operator, documents.revision, reason)
            await releases.publish(documents.group_id, version, deed)
    return ended


async def roll_back(documents: Documents, cipher: Cipher, found: Ring, operator: str, reason: str) -> Ring:
    """Have the ring's members serve again what the rest serves. Conflict if the ring is over already."""
    ended = await rings.end(documents.connection, found, "rolled_back", operator, reason)
    documents.ringed = NO_RING
    await _tell(documents, cipher, ended, ROLLED_BACK, operator, reason)
    return ended


async def _check_ids(documents: Documents, overlay: Overlay) -> None:
    """Conflict if another service has taken the id of a route meanwhile."""
    ours = {(document.kind, document.key): document for document in overlay.upserts if document.parent}
    for name, there in (await documents.kin(*ours)).items() if ours else ():
        if there.parent != ours[name].parent:
            raise Conflict(
                f"{KINDS[name[0]].singular} [{name[1]}] belongs to service [{there.parent}] now, so the ring that has "
                "one of this id cannot be promoted: roll it back, or delete that one first"
            )


async def _tell(documents: Documents, cipher: Cipher, about: Ring, action: str, operator: str, note: str) -> None:
    """A revision that changes no document, and a line in the history of every service: it runs what it ran."""
    _raise(documents, action, note)
    releases = Releases(documents.connection, cipher)
    for service in about.services:
        running = await releases.publication(documents.group_id, service["id"])
        version = await releases.version(running.version_id) if running and running.version_id else None
        deed = Deed(action, operator, documents.revision, note)
        await releases.remember(documents.group_id, service["id"], version, deed)


def _raise(documents: Documents, action: str, note: str) -> None:
    documents.action, documents.note, documents.raised = action, note, True


def _tried(ring: Ring) -> str:
    what = ", ".join(f"{service['name']} {service['version']}" for service in ring.services)
    return f"ring [{ring.id}] tries {what}" + (f": {ring.note}" if ring.note else "")
