"""Many routes, and users who may do little."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.kit import Visitor, person
from tests.e2e.kit import Fleet

ROUTES = 10_000
DRAWN = 100
GROUP = "arn:api7:gateway:gatewaygroup"


@pytest.fixture
def crowded(fleet: Fleet) -> Iterator[str]:
    """A gateway group without nodes, one service of which has many routes."""
    group = fleet.call("POST", "/api/gateway_groups", {"name": "crowded"}).json()["value"]["id"]
    routes = [{"id": f"r{n}", "name": f"route {n:05}", "paths": [f"/many/{n}"]} for n in range(ROUTES)]
    nodes = [{"host": "127.0.0.1", "port": 1, "weight": 1}]
    service = {"id": "many", "name": "many", "upstream": {"nodes": nodes}, "routes": routes}
    address = fleet.url("admin", f"/api/gateway_groups/{group}/config")
    made = fleet.client.put(address, json={"services": [service]}, auth=("admin", "admin"), timeout=120)
    assert made.status_code == 200, made.text[:500]
    yield group
    fleet.call("DELETE", f"/api/gateway_groups/{group}?force=true")


def test_ten_thousand_routes_scroll_and_filter_while_few_rows_are_drawn(boss: Visitor, crowded: str) -> None:
    boss.open(f"/groups/{crowded}/services/many")
    table = boss.page.get_by_role("table", name="Routes")
    expect(boss.page.get_by_text(f"{ROUTES} rows")).to_be_visible()
    assert table.get_by_role("row").count() < DRAWN
    boss.page.get_by_role("button", name="Name").click()
    expect(table.get_by_role("link", name="route 00000", exact=True)).to_be_visible()
    boss.page.get_by_label("Filter this list").fill("route 0987")
    expect(boss.page.get_by_text(f"10 of {ROUTES} rows")).to_be_visible()
    expect(table.get_by_role("link", name="route 09879", exact=True)).to_be_visible()
    boss.page.get_by_label("Filter this list").fill("")
    expect(boss.page.get_by_text(f"{ROUTES} rows", exact=True)).to_be_visible()  # no more "10 of"
    table.hover()
    boss.page.mouse.wheel(0, 100 * ROUTES)
    last = table.get_by_role("link", name=f"route {ROUTES - 1:05}", exact=True)
    expect(last).to_be_visible()
    assert table.get_by_role("row").count() < DRAWN

    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    last.click()
    drawer = boss.page.get_by_role("dialog", name=f"Route route {ROUTES - 1:05}")
    expect(drawer.get_by_label("Name")).to_have_value(f"route {ROUTES - 1:05}")
    boss.page.keyboard.press("Escape")
    expect(last).to_be_focused()
    expect(drawer).to_have_count(0)
    assert [url for url in asked if "/routes?" in url] == [], "closing it reads no list"


def test_who_may_only_read_sees_why_the_buttons_do_nothing(guest: Visitor, fleet: Fleet) -> None:
    hidden = fleet.call("POST", "/api/gateway_groups", {"name": "hidden"}).json()["value"]["id"]
    statement = {"actions": ["gateway:Get<.*>"], "resources": [f"{GROUP}/default", f"{GROUP}/default/*"]}
    policy = fleet.call("POST", "/api/permission_policies", {"name": "reads", "statement": [statement]}).json()
    role = fleet.call("POST", "/api/roles", {"name": "reader", "policies": [policy["value"]["id"]]}).json()
    person(fleet, "reader", role["value"]["id"])
    guest.enter("reader")
    guest.heading("Fleet")
    expect(guest.page.get_by_role("link", name="default")).to_be_visible()
    expect(guest.page.get_by_role("link", name="hidden")).to_have_count(0)
    add = guest.page.get_by_role("button", name="Add gateway group")
    expect(add).to_have_attribute("aria-disabled", "true")
    add.hover()
    expect(guest.page.get_by_role("tooltip")).to_contain_text("gateway:CreateGatewayGroup")
    guest.open("/groups/default/try")
    send = guest.page.get_by_role("button", name="Send")
    expect(send).to_have_attribute("aria-disabled", "true")
    expect(send).to_have_attribute("aria-description", re.compile("gateway:TestRequest"))
    guest.complaints = [said for said in guest.complaints if "403" not in said]
    fleet.call("DELETE", f"/api/gateway_groups/{hidden}?force=true")
