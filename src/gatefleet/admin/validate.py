"""A dry run of a whole configuration: every problem of every resource, and nothing written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, Request, Response

from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.openapi import OBJECT, one
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, failure, read_object
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document, Kind
from gatefleet.resources.accept import accept
from gatefleet.resources.messages import error_at
from gatefleet.resources.relations import misplaced, references
from gatefleet.store import Documents

NOT_THERE = {"consumer_groups": "there are no consumer groups"}
NEW = "new"
"""The id of what has none yet."""
Name = tuple[str, str]
Types = Mapping[Name, str | None]
"""What is there or will be, each with its field `type`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of the body, as it would be stored, or why it cannot be."""

    kind: Kind
    index: int
    item: Mapping[str, Any]
    document: Document | None
    problem: str = ""


def router() -> APIRouter:
    api = APIRouter(tags=["configs"])
    lists = {path: {"type": "array", "items": OBJECT} for path in KINDS}
    body = {"type": "object", "properties": lists}
    validate = group("ValidateConfiguration")
    add(api, "POST", "/apisix/admin/configs/validate", _validate, validate, body=body, answers=one())
    return api


async def _validate(request: Request) -> Response:
    """200 if all of it could be stored; else 400 with `errors`, one for every resource that could not."""
    body = await read_object(request)
    entries = [_entry(kind, index, item) for kind in KINDS.values() for index, item in _items(body, kind.path)]
    async with control(request).store.read(group_of(request)) as documents:
        there = await _there(documents, entries)
    errors = [_error(each.kind.path, each.item, each.index, said) for each in entries for said in _said(each, there)]
    for path, message in NOT_THERE.items():
        errors += [_error(path, item, index, message) for index, item in _items(body, path)]
    if errors:
        return failure(400, f"{len(errors)} problems found: {errors[0]['error']}", errors=errors)
    return answer({"value": {}})


def _entry(kind: Kind, index: int, item: Mapping[str, Any]) -> Entry:
    try:
        accepted = accept(kind.path, _id(kind, item), _own(kind, item))
        parent = str(accepted[kind.owner.field]) if kind.owner and kind.owner.field else None
        document = Document(kind.path, _id(kind, item), parent or (NEW if kind.owner else None), accepted)
        check_servable(document)
    except Invalid as error:
        return Entry(kind, index, item, None, str(error))
    return Entry(kind, index, item, document)


async def _there(documents: Documents, entries: Iterable[Entry]) -> Types:
    """What the resources name: of the body itself, also where it is refused, and of the group."""
    named = {name for entry in entries if entry.document for name in _names(entry.document)}
    held = await documents.kin(*named)
    own = {(entry.kind.path, _id(entry.kind, entry.item)): entry.item.get("type") for entry in entries}
    return {name: kin.type for name, kin in held.items()} | own


def _names(document: Document) -> Iterator[Name]:
    owner = KINDS[document.kind].owner
    if owner and owner.field:
        yield owner.kind, str(document.parent)
    for reference in references(document.kind, document.body):
        yield reference.kind, reference.id


def _said(entry: Entry, there: Types) -> Iterator[str]:
    """The problem of a resource: its own, or what it names is not there."""
    document, owner = entry.document, entry.kind.owner
    if document is None:
        yield entry.problem
        return
    problems: list[str] = []
    if owner and owner.field:
        if (owner.kind, str(document.parent)) not in there:
            problems.append(error_at((owner.field,), f"{KINDS[owner.kind].singular} [{document.parent}] not found"))
        elif wrong := misplaced(document, there[owner.kind, str(document.parent)]):
            problems.append(wrong)
    for reference in references(document.kind, document.body):
        if (reference.kind, reference.id) not in there:
            said = KINDS[reference.kind].singular.replace("_", " ")
            problems.append(error_at(reference.at, f"{said} [{reference.id}] not found"))
    if problems:
        yield "; ".join(problems)


def _own(kind: Kind, item: Mapping[str, Any]) -> dict[str, Any]:
    """The resource itself: plugin metadata stands beside its plugin's name."""
    return {key: part for key, part in item.items() if key != "id" or kind.path != "plugin_metadata"}


def _id(kind: Kind, item: Mapping[str, Any]) -> str:
    if kind.key == "username":
        return str(item.get("username", ""))
    if kind.path == "global_rules":
        plugins = item.get("plugins")
        return next(iter(cast("dict[str, Any]", plugins)), "") if isinstance(plugins, dict) else ""
    return str(item.get("id") or item.get(kind.alias or "id") or NEW)


def _error(path: str, item: Mapping[str, Any], index: int, message: str) -> dict[str, Any]:
    aliases = ("id", "username", "route_id", "stream_route_id", "service_id")
    named = next((item[alias] for alias in aliases if item.get(alias)), None)
    return {"resource_type": path, **({"resource_id": str(named)} if named else {}), "index": index, "error": message}


def _items(body: Mapping[str, Any], path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    items: Any = body.get(path) or ()
    if not isinstance(items, list | tuple):
        raise Invalid(f'Error at "/{path}": value must be an array')
    for index, item in enumerate(cast("list[Any]", items)):
        if not isinstance(item, dict):
            raise Invalid(f'Error at "/{path}/{index}": value must be an object')
        yield index, cast("dict[str, Any]", item)
