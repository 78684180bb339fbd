"""A dry run of a whole configuration: every problem of every resource, and nothing written."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from fastapi import APIRouter, Request, Response

from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, failure, read_object
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document, Kind
from gatefleet.resources.accept import accept

NOT_SERVED = {"consumer_groups": "there are no consumer groups"}


def router() -> APIRouter:
    api = APIRouter(tags=["configs"])
    add(api, "POST", "/apisix/admin/configs/validate", _validate, group("ValidateConfiguration"))
    return api


async def _validate(request: Request) -> Response:
    body = await read_object(request)
    async with control(request).store.read(group_of(request)) as documents:
        services = await documents.list("services")
    known = {stored.document.id for stored in services[0]} | {
        str(item.get("id") or item.get("service_id")) for _, item in _items(body, "services")
    }
    errors = [error for kind in KINDS.values() for error in _problems(kind, body, known)]
    for path, message in NOT_SERVED.items():
        errors += [_error(path, item, index, message) for index, item in _items(body, path)]
    if errors:
        return failure(400, f"{len(errors)} problems found: {errors[0]['error']}", errors=errors)
    return answer({"value": {}})


def _problems(kind: Kind, body: Mapping[str, Any], services: set[str]) -> Iterator[dict[str, Any]]:
    for index, item in _items(body, kind.path):
        try:
            accepted = _accepted(kind, item)
        except Invalid as error:
            yield _error(kind.path, item, index, str(error))
            continue
        if kind.path == "routes" and accepted["service_id"] not in services:
            message = f'Error at "/service_id": service [{accepted["service_id"]}] not found'
            yield _error(kind.path, item, index, message)


def _accepted(kind: Kind, item: Mapping[str, Any]) -> dict[str, Any]:
    accepted = accept(kind.path, _id(kind, item), _own(kind, item))
    parent = str(accepted[kind.owner.field]) if kind.owner and kind.owner.field else "new"
    check_servable(Document(kind.path, _id(kind, item), parent, accepted))
    return accepted


def _own(kind: Kind, item: Mapping[str, Any]) -> dict[str, Any]:
    """The resource itself: plugin metadata stands beside its plugin's name."""
    return {key: part for key, part in item.items() if key != "id" or kind.path != "plugin_metadata"}


def _id(kind: Kind, item: Mapping[str, Any]) -> str:
    if kind.key == "username":
        return str(item.get("username", ""))
    if kind.path == "global_rules":
        plugins = item.get("plugins")
        return next(iter(cast("dict[str, Any]", plugins)), "") if isinstance(plugins, dict) else ""
    return str(item.get("id") or "new")


def _error(path: str, item: Mapping[str, Any], index: int, message: str) -> dict[str, Any]:
    named = item.get("id") or item.get("username") or item.get("route_id") or item.get("service_id")
    return {"resource_type": path, **({"resource_id": str(named)} if named else {}), "index": index, "error": message}


def _items(body: Mapping[str, Any], path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    items: Any = body.get(path) or ()
    if not isinstance(items, list | tuple):
        raise Invalid(f'Error at "/{path}": value must be an array')
    for index, item in enumerate(cast("list[Any]", items)):
        if not isinstance(item, dict):
            raise Invalid(f'Error at "/{path}/{index}": value must be an object')
        yield index, cast("dict[str, Any]", item)
