"""A request is tried in the browser, and a real instance says which route and which plugins it met."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.kit import Visitor
from tests.e2e.kit import Fleet, eventually

pytestmark = pytest.mark.timeout(300)


def test_a_request_is_tried_and_tells_which_route_and_plugins_answered(
    boss: Visitor, fleet: Fleet, upstream: int
) -> None:
    fleet.service("tried", upstream)
    limit, rewrite = {"count": 100, "time_window": 60}, {"headers": {"set": {"x-tried": "yes"}}}
    plugins = {"key-auth": {}, "limit-count": limit, "response-rewrite": rewrite}
    fleet.route("kept", "tried", "/tried/*", methods=["POST"], plugins=plugins)
    fleet.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "jacks"}}})
    eventually(lambda: fleet.get("/tried/x", method="POST", apikey="jacks").status == 200, 30)
    page = boss.page
    boss.open("/groups/default/try")
    boss.heading("Try a request")
    expect(page.get_by_text("Which route answers")).to_be_visible()
    boss.examined("tester-empty")

    boss.open("/groups/default/services/tried")
    page.get_by_role("link", name="Try kept").click()
    page.wait_for_url("**/try?method=POST&path=%2Ftried%2F")
    form = page.get_by_role("form", name="Request")
    expect(form.get_by_role("combobox", name="Method")).to_have_value("POST")
    form.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="Answer", exact=True)
    expect(answer.get_by_role("row", name="Answered by")).to_contain_text("the plugin key-auth")
    expect(answer).to_contain_text("401")
    row = page.get_by_role("table", name="Plugins").get_by_role("row", name="limit-count")
    expect(row).to_contain_text("not reached")
    boss.examined("tester-refused")

    form.get_by_role("button", name="Add header").click()
    form.get_by_role("textbox", name="Header").fill("apikey")
    form.get_by_role("textbox", name="Value").fill("jacks")
    form.get_by_label("Body").fill("what is sent")
    form.get_by_role("button", name="Send").click()
    expect(answer.get_by_role("row", name="Answered by")).to_contain_text("the upstream")
    expect(answer.get_by_role("row", name="Consumer")).to_contain_text("jack")
    expect(row).to_contain_text("ran")
    expect(page.get_by_role("region", name="Headers of the answer")).to_contain_text("x-tried")
    boss.examined("tester")
    answer.get_by_role("link", name="kept").click()
    page.wait_for_url("**/services/tried?edit=kept")

    boss.open("/groups/default/try?path=/tried/%20x")
    form.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("/path")
    boss.complaints = [said for said in boss.complaints if "400" not in said]
    fleet.delete("consumers/jack")
    fleet.delete("routes/kept")
    fleet.delete("services/tried")
