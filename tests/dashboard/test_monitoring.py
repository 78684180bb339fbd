"""Traffic through a real instance, as the monitoring pages show it."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.kit import Visitor
from tests.e2e.kit import Fleet, eventually

pytestmark = pytest.mark.timeout(300)
REPORTED = 90.0
"""Seconds until figures must be there; they are half a minute late by design."""


def test_traffic_is_seen_by_group_service_and_route_and_request_by_request(
    boss: Visitor, fleet: Fleet, upstream: int
) -> None:
    fleet.service("watched", upstream)
    fleet.route("good", "watched", "/watched/*")
    fleet.route("bad", "watched", "/refused", plugins={"fault-injection": {"abort": {"http_status": 503}}})
    eventually(lambda: fleet.get("/watched/x").status == 200 and fleet.get("/refused").status == 503, 30)
    for _ in range(20):
        fleet.get("/watched/seen")
    fleet.get("/refused")

    def counted() -> int:
        answer = fleet.call("GET", "/api/telemetry/traffic?gateway_group_id=default&service_id=watched")
        return answer.json()["value"]["total"]["sum"]["requests"]

    eventually(lambda: counted() >= 20, REPORTED, 1)
    page = boss.page
    boss.open("/groups/default/monitoring")
    boss.heading("Monitoring")
    expect(page.locator("canvas")).to_have_count(4)
    boss.examined("monitoring")
    page.get_by_role("button", name="Look at watched only").click()
    page.wait_for_url("**/monitoring?*service=watched*")
    page.get_by_role("button", name="Look at bad only").click()
    page.wait_for_url("**/monitoring?*route=bad*")
    expect(page.get_by_text("100 %").first).to_be_visible()
    page.get_by_role("button", name="Do not limit to route").click()

    page.get_by_role("tab", name="Requests").click()
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    expect(rows.filter(has_text="/watched/seen").first).to_be_visible()
    page.get_by_role("combobox", name="Status").click()
    page.get_by_role("option", name="5xx").click()
    expect(rows.filter(has_text="/watched/seen")).to_have_count(0)
    expect(rows.filter(has_text="503").first).to_contain_text("/refused")
    boss.examined("requests")

    boss.open("/monitoring")
    boss.heading("Fleet monitoring")
    page.get_by_role("table", name="gateway group").get_by_role("link", name="default").click()
    page.wait_for_url("**/groups/default/monitoring?*by=service*")
    boss.open("/")
    expect(page.get_by_role("region", name="default").get_by_role("link", name="requests/s")).to_be_visible()
    fleet.delete("routes/good")
    fleet.delete("routes/bad")
    fleet.delete("services/watched")
