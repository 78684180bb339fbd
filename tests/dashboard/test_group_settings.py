"""A gateway group's settings, its certificates and registries: what is changed in the browser counts at once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import expect

from gatefleet.pki import self_signed
from tests.dashboard.kit import Visitor, exactly
from tests.e2e.kit import Fleet

NAME = "Settled"


@pytest.fixture
def settled(fleet: Fleet) -> Iterator[str]:
    body = {"name": NAME, "labels": {"env": "settled"}}
    group = fleet.call("POST", "/api/gateway_groups", body).json()["value"]["id"]
    fleet.call("POST", f"/api/gateway_groups/{group}/instance_token", {}).raise_for_status()
    yield str(group)
    fleet.call("DELETE", f"/api/gateway_groups/{group}?force=true")


def test_a_groups_settings_keys_and_end_are_in_one_place(boss: Visitor, fleet: Fleet, settled: str) -> None:
    page, address = boss.page, f"/api/gateway_groups/{settled}"
    boss.open(f"/groups/{settled}/settings")
    boss.heading("Settings")
    page.get_by_label("Version that instances should have").fill("1.4.0")
    page.get_by_role("link", name="Fleet", exact=True).first.click()
    leave = page.get_by_role("dialog", name="Leave without saving?")
    leave.get_by_role("button", name="Stay here").click()
    page.get_by_label("Description").fill("all is settled here")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The gateway group was saved")).to_be_visible()
    kept = fleet.call("GET", address).json()["value"]
    assert (kept["description"], kept["config"]["image_tag"]) == ("all is settled here", "1.4.0")
    assert kept["labels"] == {"env": "settled"}

    page.get_by_role("button", name="Make a new admin key").click()
    page.get_by_role("dialog").get_by_role("button", name="Make a new admin key").click()
    secret = page.get_by_role("dialog", name="The new admin key").get_by_role("textbox").inner_text()
    routes = fleet.url("admin", f"/apisix/admin/routes?gateway_group_id={settled}")
    assert httpx.get(routes, headers={"X-API-KEY": secret}).status_code == 200
    boss.accessible()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("body")).not_to_contain_text(secret)

    page.get_by_role("button", name="Issue a join bundle").click()
    bundle = page.get_by_role("dialog", name="The join bundle").get_by_role("textbox").inner_text()
    assert json.loads(bundle)["gateway_group_id"] == settled
    page.get_by_role("button", name="Done").click()
    certificates = page.get_by_role("table", name="Certificates of instances")
    expect(certificates).to_contain_text("handed out as a bundle")
    page.get_by_role("button", name="Exchange the keys").click()
    page.get_by_role("dialog").get_by_role("button", name="Exchange the keys").click()
    expect(page.get_by_role("table", name="Keys of copies")).to_contain_text("announced")
    boss.examined("group-settings")

    certificates.get_by_role("button", name="Revoke the certificate").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Revoke")).click()
    expect(certificates).to_contain_text("revoked")
    page.get_by_role("button", name="Withdraw the token").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Withdraw")).click()
    expect(page.get_by_text("No join token was handed out yet")).to_be_visible()
    page.get_by_role("button", name="Delete the gateway group").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("button", name=exactly("Delete"))).to_be_disabled()
    form.get_by_label(f"Type {NAME} to confirm").fill(NAME)
    form.get_by_role("button", name=exactly("Delete")).click()
    boss.heading("Fleet")
    assert fleet.call("GET", address).status_code == 404


def test_a_groups_settings_do_not_overwrite_somebody_elses(boss: Visitor, fleet: Fleet, settled: str) -> None:
    page = boss.page
    boss.open(f"/groups/{settled}/settings")
    page.get_by_label("Description").fill("mine")
    theirs = {"name": NAME, "description": "theirs"}
    fleet.call("PUT", f"/api/gateway_groups/{settled}", theirs).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Somebody else has changed this meanwhile")).to_be_visible()
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_label("Description")).to_have_value("theirs")
    boss.complaints = [said for said in boss.complaints if "412" not in said]


def test_certificates_that_end_soon_are_named_and_who_uses_them_is_told(
    boss: Visitor, fleet: Fleet, settled: str
) -> None:
    page, pair = boss.page, self_signed(["soon.test"], datetime.now(UTC), timedelta(days=5))
    fleet.put("certificates/soon", {"name": "soon", "cert": pair.certificate, "key": pair.key}, group=settled)
    fleet.put("snis/soon", {"name": "front", "domain": "soon.test", "certificates": ["soon"]}, group=settled)
    boss.open(f"/groups/{settled}/certificates")
    expect(page.get_by_role("alert")).to_contain_text("1 certificate ends within 30 days")
    expect(page.get_by_role("row", name="soon")).to_contain_text("ends soon")
    page.get_by_role("button", name="Show who uses soon").click()
    expect(page.get_by_role("dialog", name="Show who uses soon")).to_contain_text("sni front")
    boss.examined("certificates")
    boss.open(f"/groups/{settled}/snis")
    expect(page.get_by_role("row", name="soon.test")).to_contain_text("ends soon")


def test_a_registry_is_shown_as_instances_see_it_and_who_uses_it(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    dns = {"name": "names", "type": "dns", "dns_config": {"servers": ["127.0.0.1:1"]}}
    fleet.put("service_registries/names", dns)
    upstream = {"service_name": "names/-/nowhere.test:80", "discovery_type": "dns"}
    fleet.put("services/looked-up", {"name": "looked up", "upstream": upstream})
    boss.open("/groups/default/service_registries")
    row = page.get_by_role("row", name="names")
    expect(row).to_contain_text("used by 1 service")
    row.get_by_role("link", name="Details, used by 1 service: names").click()
    boss.heading("names")
    expect(page.get_by_role("table", name="Services that are looked up in it")).to_contain_text("looked up")
    boss.examined("registry")
    fleet.delete("services/looked-up")
    fleet.delete("service_registries/names")
