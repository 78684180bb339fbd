"""What somebody wants released, as an order: from the bodies of requests, and as it is kept until it is approved."""

from typing import Any, Literal

import msgspec

from gatefleet.errors import Invalid
from gatefleet.resources.publishing import RUNTIME

Operation = Literal["publish", "sync", "rollback", "unpublish"]


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service of an order. `name` and `plugins` go into a new version; what is in RUNTIME is the group's own."""

    service_id: str
    version: str = ""
    service_version_id: str = ""
    name: str | None = None
    plugins: dict[str, dict[str, Any]] | None = None
    hosts: list[str] | None = None
    path_prefix: str | None = None
    strip_path_prefix: bool | None = None
    upstream: dict[str, Any] | None = None
    status: int | None = None
    note: str = ""
    rollback_note: str = ""
    owner: str = ""

    def runtime(self) -> dict[str, Any]:
        """The runtime configuration the order sets."""
        return {name: part for name in RUNTIME if (part := getattr(self, name)) is not None}


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody wants released. With `create_new_version`, versions are made of the templates as they are.

    `source_group_id`: the group whose running version is synced. `begins`: the runtime configuration by service that a
    group begins with, if that was settled when the order was kept.
    """

    operation: Operation
    items: tuple[Item, ...]
    groups: tuple[str, ...]
    create_new_version: bool = False
    source_group_id: str = ""
    note: str = ""
    begins: dict[str, dict[str, Any]] = {}

    def touched(self) -> list[str]:
        """Every group it reads or writes, in an order that all orders share: so none waits for another in a circle."""
        return sorted({*self.groups, *([self.source_group_id] if self.source_group_id else [])})


class PublishBody(msgspec.Struct):
    """The body of a publication. `note`, `rollback_note` and `owner` are those of every service that has none."""

    services: list[Item]
    create_new_version: bool = False
    gateway_group_id: str = ""
    gateway_group_ids: list[str] = []
    note: str = ""
    rollback_note: str = ""
    owner: str = ""
    dry_run: bool = False

    def order(self) -> Order:
        """Invalid if it says nowhere where to, or nothing what."""
        named = {*self.gateway_group_ids, self.gateway_group_id} - {""}
        if not named:
            raise Invalid('Error at "/gateway_group_id": property "gateway_group_id" is missing')
        if not self.services:
            raise Invalid('Error at "/services": minimum number of items is 1')
        common = {"note": self.note, "rollback_note": self.rollback_note, "owner": self.owner}
        items = tuple(
            msgspec.structs.replace(item, **{name: getattr(item, name) or text for name, text in common.items()})
            for item in self.services
        )
        notes = dict.fromkeys(item.note for item in items if item.note)
        return Order(
            "publish", items, tuple(sorted(named)), self.create_new_version, note=self.note or "; ".join(notes)
        )


class SyncUpstream(msgspec.Struct):
    """Where the service is in the groups it comes to: nodes, or a name in one of their service registries."""

    nodes: list[dict[str, Any]] | dict[str, int] | None = None
    service_registry_id: str = ""
    namespace: str = ""
    group: str = ""
    service_name: str = ""

    def body(self) -> dict[str, Any]:
        """As fields of an upstream; Invalid if it says neither or both."""
        named = (self.service_registry_id, self.namespace, self.service_name)
        if self.nodes is not None and not any(named):
            return {"nodes": self.nodes}
        if self.nodes is not None or not all(named):
            raise Invalid(
                'Error at "/upstream": give either nodes, or service_registry_id, namespace and service_name '
                "(and group, if the registry has groups)"
            )
        parts = [self.service_registry_id, self.namespace, *([self.group] if self.group else []), self.service_name]
        return {"service_name": "/".join(parts), "discovery_args": {}}


class SyncBody(msgspec.Struct):
    """The body of a sync: which groups get what this group runs, and what is theirs alone."""

    gateway_group_ids: list[str]
    version: str = ""
    hosts: list[str] | None = None
    upstream: SyncUpstream | None = None
    note: str = ""
    rollback_note: str = ""
    owner: str = ""
    dry_run: bool = False

    def order(self, service_id: str, source: str) -> Order:
        """Invalid if it names no group, or the source itself."""
        if not self.gateway_group_ids or source in self.gateway_group_ids:
            problem = (
                "the group it comes from is among them" if self.gateway_group_ids else "minimum number of items is 1"
            )
            raise Invalid(f'Error at "/gateway_group_ids": {problem}')
        item = Item(
            service_id,
            version=self.version,
            hosts=self.hosts,
            upstream=self.upstream.body() if self.upstream else None,
            note=self.note,
            rollback_note=self.rollback_note,
            owner=self.owner,
        )
        groups = tuple(sorted(set(self.gateway_group_ids)))
        return Order("sync", (item,), groups, source_group_id=source, note=self.note)


class RollbackBody(msgspec.Struct):
    """The body of a rollback."""

    version: str = ""
    note: str = ""
    dry_run: bool = False
