"""Starting a ring: what is asked for, who becomes a member, and what the members will serve."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.orders import Item, Order, PublishBody
from gatefleet.admin.release import GroupPlan, Plan
from gatefleet.errors import Conflict, Invalid
from gatefleet.resources.ring_rules import Rule
from gatefleet.resources.rings import COUNTER, Candidate, Overlay, Share, choose
from gatefleet.store import Documents, fleet
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Draft, Releases, Version
from gatefleet.store.ring_changes import begin
from gatefleet.store.rings import Ring, Start

MOST_SERVICES: Final = 50


class RingBody(msgspec.Struct):
    """The body that starts a ring: a publication to one group, the share of its instances, and a rule."""

    services: list[Item]
    share: Share
    rule: Rule | None = None
    create_new_version: bool = False
    note: str = ""
    rollback_note: str = ""
    owner: str = ""
    dry_run: bool = False

    def order(self, group_id: str) -> "RingOrder":
        """As it is planned and kept; Invalid if it says nothing or too much."""
        if len(self.services) > MOST_SERVICES:
            raise Invalid(f'Error at "/services": maximum number of items is {MOST_SERVICES}')
        publication = PublishBody(
            services=self.services,
            create_new_version=self.create_new_version,
            gateway_group_id=group_id,
            note=self.note,
            rollback_note=self.rollback_note,
            owner=self.owner,
        )
        return RingOrder(publication.order(), self.share, self.rule)


class RingOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ring somebody wants started."""

    publication: Order
    share: Share
    rule: Rule | None = None


class End(msgspec.Struct):
    """The body that promotes a ring or rolls it back."""

    note: str = ""


def check_free(documents: Documents) -> None:
    """Conflict while a ring runs in the group."""
    for ring_id in documents.ringed.values():
        raise Conflict(
            f"ring [{ring_id}] runs in gateway group [{documents.group_id}]: promote it or roll it back first"
        )


async def chosen(connection: AsyncConnection, group_id: str, share: Share) -> Sequence[str]:
    """The instances of the share among those that are connected now; Invalid if there are none."""
    there = await fleet.list_instances(connection, group_id)
    return choose(share, [Candidate(i.id, i.labels) for i in there if i.status in {"Healthy", "OutOfSync"}])


def check(order: RingOrder, planned: Plan) -> GroupPlan:
    """The plan of the ring's group; Conflict if it changes nothing, Invalid if the rule could never apply."""
    (group,) = planned.groups
    if not any(step.outcome.upserts or step.outcome.deletes for step in group.steps):
        raise Conflict(f"gateway group [{group.group_id}] serves just this already: there is nothing to try")
    if order.rule and all(step.service.body.get("type") == "stream" for step in group.steps):
        raise Invalid('Error at "/rule": connections of stream services are not counted; leave the rule out')
    return group


async def start(
    releases: Releases, documents: Documents, order: RingOrder, planned: Plan, cipher: Cipher, operator: str
) -> Ring:
    """Start the ring that was planned in this very transaction."""
    group = check(order, planned)
    services = [await _service(releases, step.version, step.service.body, operator) for step in group.steps]
    wanted = Start(
        id=uuid4().hex[:16],
        services=services,
        share=msgspec.to_builtins(order.share),
        members=await chosen(documents.connection, documents.group_id, order.share),
        rule=order.rule,
        overlay=await _overlay(documents, group),
        note=planned.note,
    )
    return await begin(documents, cipher, wanted, operator)


async def _service(releases: Releases, draft: Draft | None, body: Any, operator: str) -> dict[str, Any]:
    """What a ring says of one of its services; its version is made if it is new."""
    if draft is None:
        raise Invalid('Error at "/services": a ring tries versions')
    version = draft if isinstance(draft, Version) else await releases.add_version(draft, operator)
    return {
        "id": version.service_id,
        "name": body.get("name") or version.service_id,
        "version": version.name,
        "service_version_id": version.id,
    }


async def _overlay(documents: Documents, group: GroupPlan) -> Overlay:
    """The plan as an overlay; requests are counted as the group's own global rule would count them."""
    rule = await documents.get("global_rules", COUNTER)
    return Overlay(
        upserts=tuple(document for step in group.steps for document in step.outcome.upserts),
        deletes=tuple(name for step in group.steps for name in step.outcome.deletes),
        present=tuple(document for step in group.steps for document in step.present),
        counting=rule.document.body["plugins"][COUNTER] if rule else {},
    )
