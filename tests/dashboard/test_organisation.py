"""Users and their roles, one's own tokens, and the audit log: what the browser does, the API then says."""

import json
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect

from tests.dashboard.kit import PASSWORD, Visitor, exactly, visitor
from tests.e2e.kit import Fleet

FIRST = "given for one sign-in"


def test_a_user_is_invited_signs_in_gets_a_role_and_goes(boss: Visitor, browser: Browser, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/users")
    boss.heading("Users")
    page.get_by_role("button", name="Invite user").click()
    form = page.get_by_role("dialog")
    form.get_by_label("User name").fill("dora")
    form.get_by_label("First password").first.fill(FIRST)
    boss.accessible()
    form.get_by_role("button", name="Invite user").click()
    row = page.get_by_role("table", name="Users").get_by_role("row", name="dora")
    expect(row).to_contain_text("may do nothing yet")
    expect(row).to_contain_text("given, to be changed")

    with visitor(browser, fleet) as dora:
        dora.sign_in("dora", "/tokens", FIRST)
        dora.heading("Change your password")
        dora.page.get_by_label("Password until now").fill(FIRST)
        for field in dora.page.locator("input[autocomplete=new-password]").all():
            field.fill(PASSWORD)
        dora.page.get_by_role("button", name="Save").click()
        dora.heading("Your tokens")
        dora.open("/users")
        expect(dora.page.get_by_role("table", name="Users").get_by_role("row", name="boss")).to_have_count(0)

        row.get_by_role("button", name="Roles of dora").click()
        form.get_by_role("combobox", name="Roles").click()
        page.get_by_role("option", name="Super Admin").click()
        page.keyboard.press("Escape")
        form.get_by_role("button", name="Save").click()
        expect(row).to_contain_text("Super Admin")
        boss.examined("users")
        dora.open("/users")
        expect(dora.page.get_by_role("table", name="Users").get_by_role("row", name="boss")).to_be_visible()

        row.get_by_role("button", name="Delete dora").click()
        page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
        expect(row).to_have_count(0)
        dora.page.reload()
        dora.heading("Sign in")


def test_a_token_is_shown_once_works_at_once_and_ends_when_it_is_revoked(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/tokens")
    boss.heading("Your tokens")
    page.get_by_role("button", name="Create token").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("pipeline")
    form.get_by_role("combobox", name="Valid for").click()
    page.get_by_role("option", name="90 days").click()
    form.get_by_role("button", name="Create token").click()
    secret = form.get_by_label("Token", exact=True).inner_text()
    boss.accessible()
    form.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name="pipeline")
    expect(row).to_contain_text("in 2 mo.")
    expect(page.locator("body")).not_to_contain_text(secret)
    me = fleet.url("admin", "/api/me")
    assert httpx.get(me, headers={"X-API-KEY": secret}).json()["value"]["username"] == "boss"
    boss.examined("tokens")
    row.get_by_role("button", name="Revoke pipeline").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Revoke")).click()
    expect(row).to_have_count(0)
    assert httpx.get(me, headers={"X-API-KEY": secret}).status_code == 401


def test_the_audit_log_is_filtered_shows_the_difference_of_a_change_and_is_exported(
    boss: Visitor, fleet: Fleet, tmp_path: Path
) -> None:
    page = boss.page
    fleet.put("protos/audited", {"name": "audited", "content": 'syntax = "proto3";'})
    fleet.put("protos/audited", {"name": "audited anew", "content": 'syntax = "proto3";'})
    assert fleet.call("PUT", "/apisix/admin/protos/audited", {"name": 7}).status_code == 400
    boss.open("/audit")
    boss.heading("Audit log")
    boss.examined("audit")
    page.get_by_role("combobox", name="What").fill("UpdateProto")
    page.get_by_role("option", name="UpdateProto").click()
    page.get_by_label("Id of what it was about").fill("audited")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit?*about=audited*")
    rows = page.get_by_role("table", name="Audit log").get_by_role("row")
    expect(rows).to_have_count(3)

    rows.nth(1).get_by_role("button", name="Show UpdateProto").click()
    detail = page.get_by_role("dialog")
    expect(detail.get_by_role("tabpanel", name="In words")).to_contain_text("audited anew")
    detail.get_by_role("tab", name="Side by side").click()
    expect(detail.get_by_role("row", name="name")).to_contain_text("audited anew")
    expect(detail).to_contain_text("PUT /apisix/admin/protos/audited")
    boss.examined("audit-entry")
    page.keyboard.press("Escape")

    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export JSON").click()
    waiting.value.save_as(tmp_path / "audit.json")
    told = json.loads((tmp_path / "audit.json").read_text())
    assert [entry["http_request"]["body"]["name"] for entry in told] == ["audited", "audited anew"]

    page.reload()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.get_by_text("refused: 400").first).to_be_visible()
    fleet.delete("protos/audited")


def test_a_token_is_limited_gets_another_secret_and_is_found_by_how_it_begins(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/tokens")
    page.get_by_role("button", name="Create token").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("reader")
    form.get_by_role("combobox", name="Only these gateway groups").click()
    page.get_by_role("option", name="default").click()
    page.keyboard.press("Tab")
    actions = form.get_by_role("combobox", name="Only these actions")
    actions.fill("gateway:Get<.*>")
    actions.press("Enter")
    actions.blur()
    boss.accessible()
    form.get_by_role("button", name="Create token").click()
    first = form.get_by_label("Token", exact=True).inner_text()
    form.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name="reader")
    expect(row).to_contain_text("1 gateway group, 1 action")
    consumers = fleet.url("admin", "/apisix/admin/consumers?gateway_group_id=default")
    assert httpx.get(consumers, headers={"X-API-KEY": first}).status_code == 200
    assert httpx.get(fleet.url("admin", "/api/users"), headers={"X-API-KEY": first}).status_code == 403

    row.get_by_role("button", name="Regenerate reader").click()
    form.get_by_role("button", name=exactly("Regenerate")).click()
    second = form.get_by_label("Token", exact=True).inner_text()
    form.get_by_role("button", name="Done").click()
    assert httpx.get(consumers, headers={"X-API-KEY": first}).status_code == 401
    assert httpx.get(consumers, headers={"X-API-KEY": second}).status_code == 200

    page.get_by_role("button", name="Find a token").click()
    form.get_by_label("Begins with").fill(second[:14])
    form.get_by_role("button", name="Find a token").click()
    expect(form.get_by_role("row", name="reader")).to_contain_text("boss")
    boss.accessible()
    form.get_by_role("button", name="Revoke reader").click()
    expect(form.get_by_text("No token begins like this")).to_be_visible()
    assert httpx.get(consumers, headers={"X-API-KEY": second}).status_code == 401


def test_the_audit_log_is_forwarded_and_shows_what_changed_outside_gateway_groups(boss: Visitor) -> None:
    page = boss.page
    boss.open("/audit-sinks")
    boss.heading("Audit forwarding")
    page.get_by_role("button", name="Add destination").first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name", exact=True).fill("siem")
    form.get_by_text("Webhook", exact=True).click()
    form.get_by_label("Address").fill("ftp://127.0.0.1/in")
    form.get_by_role("button", name="Add header").click()
    form.get_by_role("textbox", name="Header", exact=True).fill("Authorization")
    form.get_by_role("textbox", name="Value", exact=True).fill("Bearer hush")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("/config/url")
    boss.complaints = [said for said in boss.complaints if "400" not in said]
    form.get_by_label("Address").fill("http://127.0.0.1:9/in")
    boss.accessible()
    form.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="siem")
    expect(row).to_contain_text("failing")
    boss.examined("audit-sinks")
    row.get_by_role("button", name="siem", exact=True).click()
    expect(form.get_by_role("textbox", name="Value", exact=True)).to_have_value("***")
    form.get_by_role("switch", name="Tell it").click()
    form.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("switched off")

    boss.open("/audit?what=UpdateAuditSink")
    page.get_by_role("button", name="Show UpdateAuditSink").first.click()
    expect(form.get_by_role("tabpanel", name="In words")).to_contain_text("enabled: true → false")
    page.keyboard.press("Escape")
    boss.open("/audit-sinks")
    row.get_by_role("button", name="Delete the destination siem").click()
    form.get_by_role("button", name=exactly("Delete")).click()
    expect(row).to_have_count(0)


def test_settings_sign_in_options_and_one_s_own_account(boss: Visitor, browser: Browser, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/settings")
    boss.heading("System settings")
    addresses = page.get_by_role("combobox", name="Addresses of the DP Managers")
    before = fleet.call("GET", "/api/system_settings").json()["value"]["dp_manager_address"]
    addresses.fill("http://dpm.test")
    addresses.press("Enter")
    addresses.blur()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("must begin with https://")
    boss.complaints = [said for said in boss.complaints if "400" not in said]
    boss.examined("settings")
    assert fleet.call("GET", "/api/system_settings").json()["value"]["dp_manager_address"] == before
    page.get_by_role("link", name="Login options").click()
    page.get_by_role("button", name="Leave").click()
    boss.heading("Login options")
    expect(page.get_by_role("row", name="User name and password")).to_contain_text("on")
    boss.examined("login-options")

    page.get_by_role("button", name="Your account").click()
    page.get_by_role("menuitem", name="Your account").click()
    boss.heading("Your account")
    boss.examined("account")
    with visitor(browser, fleet) as elsewhere:
        elsewhere.sign_in("boss")
        elsewhere.heading("Fleet")
        page.get_by_role("button", name="Sign out everywhere").click()
        page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
        boss.heading("Sign in")
        elsewhere.page.reload()
        elsewhere.heading("Sign in")
