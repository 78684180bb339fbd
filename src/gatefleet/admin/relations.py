"""What a write or delete means for a document's relatives: owners must be there, references must not dangle."""

import msgspec
from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH

from gatefleet.errors import Invalid, NotFound
from gatefleet.references import SECRET
from gatefleet.resources import KINDS, Document
from gatefleet.resources.kinds import Refers, Step
from gatefleet.resources.messages import error_at
from gatefleet.resources.relations import misplaced, references
from gatefleet.store import Documents, Kin, Query
from gatefleet.store.tables import resource

R = resource.c
NAMED = 5
"""How many users of a document a refused delete names."""


async def admit(documents: Documents, document: Document, *, new: bool = False) -> Kin | None:
    """What the document was before this write, None if it was not there; not looked up if nothing depends on it.

    NotFound or Invalid if its owner is not there or of another type, if it names what is not there, or if it is a
    service that changes its type below its routes.
    """
    kind, own = KINDS[document.kind], (document.kind, document.key)
    named = list(references(document.kind, document.body))
    wanted = {(reference.kind, reference.id) for reference in named}
    owner = (kind.owner.kind, str(document.parent)) if kind.owner else None
    if not (new or owner or wanted or document.kind == "services"):
        return None
    there = await documents.kin(own, *([owner] if owner else []), *wanted)
    if kind.owner and owner:
        if owner not in there:
            missing = f"{KINDS[kind.owner.kind].singular} [{document.parent}] not found"
            raise Invalid(error_at((kind.owner.field,), missing)) if kind.owner.field else NotFound(missing)
        if problem := misplaced(document, there[owner].type):
            raise Invalid(problem)
    for reference in named:
        if (reference.kind, reference.id) not in there:
            singular = KINDS[reference.kind].singular.replace("_", " ")
            raise Invalid(error_at(reference.at, f"{singular} [{reference.id}] not found"))
    before = there.get(own)
    if document.kind == "services" and before and (before.type or "http") != document.body.get("type", "http"):
        await _childless(documents, document)
    return before


async def refuse_if_used(documents: Documents, kind: str, id_: str) -> None:
    """Invalid, naming who still uses the document."""
    found = await users(documents, kind, id_)
    if found:
        named = ", ".join(f"{user_kind} [{key}]" for user_kind, key in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        said = KINDS[kind].singular.replace("_", " ")
        raise Invalid(f"{said} [{id_}] cannot be deleted: {named}{more} are still using it")


async def users(documents: Documents, kind: str, id_: str) -> list[tuple[str, str]]:
    """Kind and key of every document of the group that names this one, in order."""
    conditions = [
        and_(R.kind == owner.path, _names(refers, id_))
        for owner in KINDS.values()
        for refers in owner.refers
        if refers.kind == kind
    ]
    if kind == "secret_providers":
        conditions.append(R.body.cast(Text).contains(f"{SECRET}{id_}/", autoescape=True))
    if not conditions:
        return []
    statement = select(R.kind, R.key).where(R.group_id == documents.group_id, or_(*conditions)).order_by(R.kind, R.key)
    return [(row.kind, row.key) for row in await documents.connection.execute(statement)]


async def _childless(documents: Documents, service: Document) -> None:
    for kind in KINDS.values():
        if kind.owner and kind.owner.kind == service.kind:
            _, total = await documents.list(kind.path, Query(parent=service.id, page_size=1))
            if total:
                raise Invalid(error_at(("type",), f"service [{service.id}] has {total} {kind.path}; delete them first"))


def _names(refers: Refers, id_: str) -> ColumnElement[bool]:
    """Whether a body names this id there, asked with a path like `$."upstream"."ca_certificates"[*] ? (@ == $id)`."""

    def said(step: Step) -> str:
        return "[*]" if step is None else f'."{step}"'

    test = f"(@ starts with {msgspec.json.encode(id_ + '/').decode()})" if refers.leads else "(@ == $id)"
    path = f"${''.join(map(said, refers.path))} ? {test}"
    return func.jsonb_path_exists(R.body, cast(path, JSONPATH), func.jsonb_build_object("id", id_))
