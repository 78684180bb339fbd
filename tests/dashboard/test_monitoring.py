"""Traffic through a real instance, as the monitoring pages show it."""

import re

import httpx
from playwright.sync_api import expect

from tests import prometheus
from tests.dashboard.kit import Visitor, exactly
from tests.e2e.kit import Fleet, eventually

MARKED = {"prometheus": {"prefer_name": True}}
SCRAPED = 'apisix_http_latency_count{service="scraped",type="request"}'
NUMBER = re.compile(r"^[1-9]\d*$")
REPORTED = 90.0
"""Seconds until figures must be there; they are half a minute late by design."""


def test_traffic_is_seen_by_group_service_and_route_and_request_by_request(
    boss: Visitor, fleet: Fleet, upstream: int
) -> None:
    fleet.service("watched", upstream)
    fleet.route("good", "watched", "/watched/*")
    fleet.route("bad", "watched", "/refused", plugins={"fault-injection": {"abort": {"http_status": 503}}})
    eventually(lambda: fleet.get("/watched/x").status == 200 and fleet.get("/refused").status == 503)
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


def test_a_prometheus_is_set_and_tried_and_then_its_figures_are_shown_until_it_is_away(
    boss: Visitor, fleet: Fleet, upstream: int
) -> None:
    fleet.service("scraped", upstream)
    marked = {"name": "Asked for", "service_id": "scraped", "paths": ["/scraped/*"], "plugins": MARKED}
    fleet.put("routes/asked", marked)
    eventually(lambda: fleet.get("/scraped/x").status == 200, 30)
    page = boss.page
    with prometheus.running([f"127.0.0.1:{fleet.port('metrics')}"]) as address:
        _set(boss, address)
        eventually(lambda: _seen(address, SCRAPED) >= 1, REPORTED, 0.5)
        for _ in range(30):
            fleet.get("/scraped/seen")
        eventually(lambda: _seen(address, f"increase({SCRAPED}[1h])") > 25, REPORTED, 0.5)
        boss.open("/groups/default/monitoring?range=7d")
        expect(page.get_by_text("as your Prometheus knows it")).to_be_visible()
        expect(page.locator("canvas")).to_have_count(4)
        boss.examined("monitoring-prometheus")
        page.get_by_role("button", name="Look at scraped only").click()
        page.wait_for_url("**/monitoring?*service=scraped*")
        row = page.get_by_role("table", name="route").get_by_role("row", name="Asked for")
        expect(row.get_by_role("cell").nth(1)).to_have_text(NUMBER)
        expect(row).to_contain_text(" ms")
        page.get_by_role("button", name="Look at Asked for only").click()
        page.wait_for_url("**/monitoring?*route=*")
        expect(page.locator("canvas")).to_have_count(4)

        page.get_by_role("combobox", name="Figures from").click()
        page.get_by_role("option", name="the built-in store").click()
        expect(page.get_by_text("as the built-in store knows it")).to_be_visible()
        expect(page.get_by_role("combobox", name="Time")).to_have_value("the last 24 hours")

    boss.open("/monitoring")
    expect(page.get_by_role("alert")).to_contain_text("Prometheus does not answer")
    page.get_by_role("button", name="Show the figures of the built-in store").click()
    expect(page.get_by_text("as the built-in store knows it")).to_be_visible()
    boss.open("/settings")
    part = page.get_by_role("region", name="Prometheus")
    part.get_by_role("button", name="Forget it").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Forget it")).click()
    expect(part.get_by_label("Address")).to_have_value("")
    boss.complaints = [said for said in boss.complaints if "503" not in said]
    fleet.delete("routes/asked")
    fleet.delete("services/scraped")


def _set(boss: Visitor, address: str) -> None:
    """Prometheus is set, after a mistake."""
    boss.open("/settings")
    page = boss.page
    part = page.get_by_role("region", name="Prometheus")
    part.get_by_label("Address").fill(f"{address}/elsewhere")
    part.get_by_role("button", name="Add header").click()
    part.get_by_role("textbox", name="Header").fill("Authorization")
    part.get_by_role("textbox", name="Value").fill("Bearer hush")
    part.get_by_role("button", name="Save Prometheus").click()
    part.get_by_role("button", name="Try it").click()
    expect(part.get_by_role("alert")).to_contain_text("no Prometheus")
    part.get_by_label("Address").fill(address)
    part.get_by_role("textbox", name="Value").fill("Bearer hush")
    part.get_by_role("button", name="Save Prometheus").click()
    expect(part.get_by_role("textbox", name="Value")).to_have_value("***")
    part.get_by_role("button", name="Try it").click()
    expect(part.get_by_role("status")).to_contain_text("knows 1 gateway instance")
    boss.examined("settings-prometheus")


def _seen(address: str, what: str) -> float:
    """A figure that Prometheus has; it estimates what came between two scrapes."""
    found = httpx.get(f"{address}/api/v1/query", params={"query": f"sum({what})"}).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0
