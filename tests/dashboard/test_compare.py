"""What runs where, what differs, and the way back: matrix, comparisons, revisions and receipts in the browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.kit import Visitor, exactly
from tests.e2e.kit import Fleet, eventually

HEADER = "x-release"


@dataclass(frozen=True)
class Released:
    """A service of which the group `default` runs 1.0.0 and another group, without nodes, 1.1.0."""

    service: str
    other: str


@pytest.fixture(scope="module")
def released(fleet: Fleet, upstream: int) -> Iterator[Released]:
    labels = {"env": "released"}
    other = value(fleet, "POST", "/api/gateway_groups", {"name": "Released elsewhere", "labels": labels})["id"]
    service = value(fleet, "POST", "/api/services/template", {"name": "released"})["id"]
    value(fleet, "POST", "/api/routes/template", {"name": "released", "service_id": service, "paths": ["/released"]})
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    for version, group in (("1.0.0", "default"), ("1.1.0", other)):
        plugins = {"response-rewrite": {"headers": {"set": {HEADER: version}}}}
        value(fleet, "PUT", f"/api/services/template/{service}", {"name": "released", "plugins": plugins})
        item = {"service_id": service, "version": version, "upstream": {"nodes": nodes}}
        order = {"create_new_version": True, "gateway_group_id": group, "services": [item]}
        value(fleet, "POST", "/api/services/publish", order)
    yield Released(service, other)
    fleet.call("DELETE", f"/api/gateway_groups/{other}?force=true")
    fleet.call("DELETE", f"/api/gateway_groups/default/services/{service}")


def value(fleet: Fleet, method: str, path: str, body: Any = None) -> Any:
    answer = fleet.call(method, path, body)
    assert answer.status_code in {200, 202}, answer.text
    return answer.json()["value"]


@pytest.mark.usefixtures("released")
def test_the_matrix_marks_drift_and_two_groups_are_compared_side_by_side(boss: Visitor) -> None:
    page = boss.page
    boss.open("/matrix")
    boss.heading("What runs where")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="released", exact=True))
    for said in ("drift", "1.0.0", "1.1.0"):
        expect(row).to_contain_text(said)
    page.get_by_text("Drift only", exact=True).click()
    page.wait_for_url("**/matrix?show=drift")
    expect(row).to_be_visible()
    boss.examined("matrix")

    page.get_by_role("link", name="Compare", exact=True).click()
    boss.heading("Compare")
    expect(page.get_by_text("Choose both sides")).to_be_visible()
    for side, name in (("From", "default"), ("To", "Released elsewhere")):
        page.get_by_role("combobox", name=side, exact=True).fill(name)
        page.get_by_role("option", name=name).click()
    page.wait_for_url("**/compare?*with=default*")
    words = page.get_by_role("tabpanel", name="In words")
    expect(words).to_contain_text(f"headers.set.{HEADER} 1.0.0 -> 1.1.0")
    expect(row).to_contain_text("differs")
    page.get_by_role("tab", name="Side by side").click()
    expect(page.get_by_role("columnheader", name="Released elsewhere").last).to_be_visible()
    boss.examined("compare")
    page.reload()
    expect(words).to_contain_text("1.1.0")
    page.get_by_role("button", name="Swap the sides").click()
    expect(words).to_contain_text(f"headers.set.{HEADER} 1.1.0 -> 1.0.0")


def test_a_group_goes_back_to_a_revision_after_a_look_at_what_that_changes(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    fleet.put("protos/kept", {"name": "kept", "content": 'syntax = "proto3";'})
    revision = fleet.call("GET", "/api/gateway_groups/default/revisions").json()["list"][0]["revision"]
    fleet.delete("protos/kept")
    boss.open("/groups/default/revisions")
    boss.heading("Revisions")
    boss.examined("revisions")
    page.get_by_role("link", name=f"Revision {revision + 1}", exact=True).click()
    boss.heading(f"Revision {revision + 1}")
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("proto kept removed")
    expect(page.get_by_text("1 of 1 instances live")).to_be_visible()
    boss.examined("revision")

    boss.open(f"/groups/default/revisions/{revision}")
    page.get_by_role("button", name="Restore").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Note").fill("it was needed")
    form.get_by_role("button", name="Review the changes").click()
    expect(form.get_by_role("tabpanel", name="In words")).to_contain_text("proto kept added")
    boss.accessible()
    assert fleet.call("GET", "/apisix/admin/protos/kept").status_code == 404
    form.get_by_role("button", name="Restore now").click()
    expect(form).to_contain_text("1 of 1 instances live")
    form.get_by_role("button", name="Close").last.click()
    assert fleet.call("GET", "/apisix/admin/protos/kept").status_code == 200

    page.get_by_role("link", name="Compare with now").click()
    expect(page.get_by_role("status").filter(has_text="No difference")).to_be_visible()
    page.get_by_role("combobox", name="To revision").click()
    page.get_by_role("option", name=f"{revision + 1}: ").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("proto kept removed")
    fleet.delete("protos/kept")


def test_a_receipt_tells_by_what_proof_each_instance_serves_a_change(boss: Visitor, released: Released) -> None:
    page = boss.page
    boss.open("/groups/default/receipts")
    boss.heading("Receipts")
    newest = page.get_by_role("table", name="Receipts").get_by_role("row").nth(1)
    expect(newest).to_contain_text("1 of 1 instances live")
    boss.examined("receipts")
    newest.get_by_role("link").click()
    line = page.get_by_role("table", name="Instances").get_by_role("row").nth(1)
    expect(line).to_contain_text("live")
    boss.examined("receipt")
    boss.open(f"/groups/{released.other}/receipts/1")
    expect(page.get_by_text("No instance counts for it")).to_be_visible()


def test_all_instances_are_filtered_by_state_and_group_and_the_address_keeps_it(
    boss: Visitor, released: Released
) -> None:
    page = boss.page
    boss.open("/instances")
    boss.heading("All instances")
    rows = page.get_by_role("table", name="All instances").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("healthy")
    boss.examined("all-instances")
    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="offline").click()
    page.wait_for_url("**/instances?*state=Offline*")
    expect(page.get_by_text("healthy", exact=True)).to_have_count(0)
    boss.open(f"/instances?group={released.other}")
    expect(page.get_by_role("status").filter(has_text="0 rows")).to_be_visible()


def test_a_version_is_tried_on_a_share_of_the_instances_watched_rolled_back_and_promoted(
    boss: Visitor, fleet: Fleet, released: Released
) -> None:
    page = boss.page
    boss.open(f"/groups/default/services/{released.service}")
    boss.heading("released")
    eventually(lambda: fleet.get("/released").headers.get(HEADER) == "1.0.0")
    page.get_by_role("button", name="Try a version first").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="Version to try").click()
    page.get_by_role("option", name="1.1.0").click()
    form.get_by_text("A number", exact=True).click()
    form.get_by_label("Decide by a rule").check()
    form.get_by_label("Limit in percent of the requests").fill("50")
    boss.accessible()
    start_ring(boss)
    eventually(lambda: fleet.get("/released").headers.get(HEADER) == "1.1.0")
    counted = page.get_by_role("table", name="Members beside the rest").get_by_role("row", name="Members of the ring")
    expect(counted.get_by_role("cell").first).not_to_have_text("0")
    expect(page.get_by_role("img", name="Requests per second")).to_be_visible()
    boss.examined("ring")
    end_ring(boss, "Roll back", "once more, from elsewhere")
    expect(page.get_by_text("rolled back", exact=True)).to_be_visible()
    eventually(lambda: fleet.get("/released").headers.get(HEADER) == "1.0.0")

    boss.open(f"/groups/{released.other}/services/{released.service}")
    page.get_by_role("button", name="Sync to other groups").click()
    form.get_by_role("combobox", name="To these gateway groups").fill("default")
    page.get_by_role("option", name="default").click()
    page.keyboard.press("Tab")
    form.get_by_text("Some first (ring)").click()
    start_ring(boss)
    end_ring(boss, "Promote", "all is well")
    expect(page.get_by_text("promoted", exact=True)).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Rings").click()
    expect(page.get_by_role("row", name="all is well")).to_contain_text("promoted")
    boss.examined("rings")
    assert value(fleet, "GET", f"/api/gateway_groups/default/services/{released.service}")["version"] == "1.1.0"


def start_ring(boss: Visitor) -> None:
    """From the filled form on: with a look at who would serve what, until the ring's page is there."""
    form = boss.page.get_by_role("dialog")
    form.get_by_role("button", name="Review the changes").click()
    expect(form).to_contain_text("First served by:")
    expect(form.get_by_role("tabpanel", name="In words")).to_contain_text("1.0.0 -> 1.1.0")
    form.get_by_role("button", name="Start the ring").click()
    boss.heading("released 1.1.0")
    expect(boss.page.get_by_text("running", exact=True)).to_be_visible()


def end_ring(boss: Visitor, verb: str, note: str) -> None:
    boss.page.get_by_role("button", name=verb).click()
    form = boss.page.get_by_role("dialog")
    form.get_by_label("Note").fill(note)
    form.get_by_role("button", name=verb).click()
    expect(form).to_have_count(0)


def test_what_a_rule_covers_waits_until_somebody_else_approves_it(
    boss: Visitor, fleet: Fleet, released: Released
) -> None:
    page = boss.page
    boss.open("/approval-rules")
    boss.heading("Approval rules")
    expect(page.get_by_text("No approval rule yet")).to_be_visible()
    page.get_by_role("button", name="Add approval rule").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("Four eyes")
    form.get_by_label("Gateway groups with these labels").first.fill("env:released")
    form.get_by_label("Gateway groups with these labels").first.press("Enter")
    expect(form.get_by_role("status")).to_contain_text("Released elsewhere")
    boss.accessible()
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="Four eyes")).to_contain_text("Released elsewhere")
    boss.examined("approval-rules")

    order = {"gateway_group_ids": [released.other], "version": "9.0.0", "note": "please"}
    sync = f"/api/gateway_groups/default/services/{released.service}/sync"
    fleet.route("more", released.service, "/more")
    waiting = value(fleet, "POST", sync, order)["approval"]["id"]
    boss.open("/approvals")
    boss.heading("Approvals")
    expect(page.get_by_role("img", name="1 waits for your decision")).to_be_visible()
    for named in ("released", "Released elsewhere"):
        expect(page.get_by_role("row", name="sync").get_by_role("cell", name=named, exact=True)).to_be_visible()
    boss.examined("approvals")
    page.get_by_role("row", name="sync").get_by_role("link").click()
    boss.heading("Request to sync")
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("route more added")
    boss.examined("approval")
    page.get_by_role("button", name="Approve").click()
    form.get_by_label("Note").fill("looks fine")
    form.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("approved", exact=True)).to_be_visible()
    expect(page.get_by_text("looks fine")).to_be_visible()
    assert value(fleet, "GET", f"/api/approvals/{waiting}")["state"] == "approved"

    boss.open(f"/groups/{released.other}/revisions")
    page.get_by_role("button", name="Restore").last.click()
    form.get_by_role("button", name="Review the changes").click()
    form.get_by_role("button", name="Ask for approval").click()
    expect(form).to_contain_text("It waits for approval")
    boss.open("/approvals")
    page.get_by_role("link", name="restore a revision").click()
    page.get_by_role("button", name="Approve").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("somebody else has to decide")
    boss.open("/approval-rules")
    page.get_by_role("button", name="Delete Four eyes").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
    expect(page.get_by_text("No approval rule yet")).to_be_visible()
