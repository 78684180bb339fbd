"""Which version every item of an order means, and the runtime configuration a group begins with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gatefleet.admin.orders import Item, Order
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources.accept import accept
from gatefleet.resources.publishing import content_of, runs, runtime_of
from gatefleet.store import Documents
from gatefleet.store.releases import Draft, Releases, Version

WHERE: Final = frozenset({"nodes", "service_name", "discovery_type", "discovery_args"})
"""The fields of an upstream that say where it is; the others say how it is talked to."""
MAX_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item with its version and the runtime configuration a group begins with."""

    number: int
    item: Item
    version: Draft | None
    first_runtime: Mapping[str, Any]
    names_source: bool = False


async def wanted_of(releases: Releases, order: Order, number: int, groups: Mapping[str, Documents]) -> Wanted:
    """The item of this number; NotFound or Invalid, naming the field, if there is no such version to be had."""
    item = order.items[number]
    template = await releases.template("services", item.service_id)
    first = order.begins.get(item.service_id) or (runtime_of(template.document.body) if template else {})
    match order.operation:
        case "unpublish":
            return Wanted(number, item, None, first)
        case "sync":
            synced = await _synced(releases, number, item, groups[order.source_group_id], first)
            return replace(synced, first_runtime=order.begins.get(item.service_id, synced.first_runtime))
        case "rollback":
            return Wanted(number, item, await _once_there(releases, item, order.groups), first)
        case "publish" if order.create_new_version:
            return Wanted(number, item, await _drafted(releases, number, item), first)
        case "publish":
            return Wanted(number, item, await _existing(releases, item), first)


async def _drafted(releases: Releases, number: int, item: Item) -> Draft:
    """A version of the template as it is now; the existing one if it has this name and content already."""
    if not 1 <= len(item.version) <= MAX_NAME:
        problem = 'property "version" is missing' if not item.version else f"version is longer than {MAX_NAME}"
        raise Invalid(f'Error at "/services/{number}/version": {problem}')
    documents = await releases.template_content(item.service_id)
    service = next((document for document in documents if document.kind == "services"), None)
    if service is None:
        raise NotFound(f"service template [{item.service_id}] not found")
    changes = {"name": item.name, "plugins": item.plugins}
    body = {**service.body, **{key: part for key, part in changes.items() if part is not None}}
    content = content_of(accept("services", item.service_id, body), documents)
    draft = Draft(item.service_id, item.version, content, item.note, item.rollback_note, item.owner)
    return await releases.taken(draft) or draft


async def _existing(releases: Releases, item: Item) -> Version:
    if item.plugins is not None or item.name is not None:
        raise Invalid(
            "name and plugins belong to a version, which never changes; set create_new_version to change them"
        )
    version = (
        await releases.version(item.service_version_id)
        if item.service_version_id
        else await releases.find_version(item.service_id, item.version)
    )
    if version is None or version.service_id != item.service_id:
        raise NotFound(f"version [{item.service_version_id or item.version}] of service [{item.service_id}] not found")
    return version


async def _once_there(releases: Releases, item: Item, groups: Iterable[str]) -> Version:
    """A version the groups once ran: going back means nowhere else."""
    if not (item.version or item.service_version_id):
        raise Invalid('Error at "/version": property "version" is missing')
    version = await _existing(releases, item)
    for group_id in groups:
        once = {row.version_id for row in await releases.history(group_id, item.service_id)}
        if version.id not in once:
            raise Invalid(
                f'Error at "/version": version [{version.name}] was never published to gateway group [{group_id}]; '
                "bring it there with POST /api/services/publish"
            )
    return version


async def _synced(releases: Releases, number: int, item: Item, source: Documents, first: Mapping[str, Any]) -> Wanted:
    """The version the source group runs; if it runs none, a new one of what it runs, named by the order."""
    present = await source.family("services", item.service_id)
    service = next((document for document in present if document.kind == "services"), None)
    if service is None:
        raise NotFound(f"service [{item.service_id}] not found in gateway group [{source.group_id}]")
    upstream: Mapping[str, Any] = service.body.get("upstream") or {}
    settings = {key: part for key, part in upstream.items() if key not in WHERE}
    prefixes = {key: service.body[key] for key in ("path_prefix", "strip_path_prefix") if key in service.body}
    begin = {**prefixes, **({"upstream": settings} if settings else {}), **first}
    publication = await releases.publication(source.group_id, item.service_id)
    running = await releases.version(publication.version_id) if publication and publication.version_id else None
    if item.service_version_id:
        version = await _existing(releases, item)
        return Wanted(number, item, version, begin, names_source=not running and runs(version.content, present))
    if running is None:
        if not 1 <= len(item.version) <= MAX_NAME:
            raise Invalid(
                f'Error at "/version": service [{item.service_id}] has no version in gateway group '
                f"[{source.group_id}]; give the one it gets, of 1 to {MAX_NAME} characters"
            )
        content = content_of(service.body, present)
        draft = Draft(item.service_id, item.version, content, item.note, item.rollback_note, item.owner)
        return Wanted(number, item, await releases.taken(draft) or draft, begin, names_source=True)
    if item.version not in {"", running.name}:
        raise Invalid(
            f'Error at "/version": gateway group [{source.group_id}] runs version [{running.name}]; '
            "only the running version can be synced"
        )
    return Wanted(number, item, running, begin)
