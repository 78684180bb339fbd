"""Signing in, the first password, the end of a session, and what stays around every page."""

from playwright.sync_api import expect

from tests.dashboard.kit import PASSWORD, Visitor
from tests.e2e.kit import Fleet


def test_a_deep_link_leads_through_signing_in_and_the_first_password_to_where_it_points(
    guest: Visitor, fleet: Fleet
) -> None:
    made = fleet.call("POST", "/api/invites", {"username": "newcomer", "password": "given"}).json()["value"]
    fleet.call("PUT", f"/api/users/{made['id']}/assigned_roles", {"roles": ["super_admin_id"]}).raise_for_status()
    guest.sign_in("newcomer", "/groups/default/services", "given")
    guest.heading("Change your password")
    guest.examined("password")
    guest.page.get_by_label("Password until now").fill("given")
    new, again = guest.page.locator("input[autocomplete=new-password]").all()
    new.fill("short")
    again.fill("short")
    guest.page.get_by_role("button", name="Save").click()
    expect(guest.page.get_by_role("alert")).to_contain_text("12")
    new.fill(PASSWORD)
    again.fill(PASSWORD)
    guest.page.get_by_role("button", name="Save").click()
    guest.page.wait_for_url("**/groups/default/services")
    refused = [said for said in guest.complaints if "400" in said]
    assert len(refused) == 1, "the browser's own note of the password that was refused"
    guest.complaints.remove(refused[0])


def test_a_session_that_ended_leads_to_signing_in_and_back(boss: Visitor) -> None:
    boss.open("/groups/default/services")
    boss.heading("Services")
    boss.page.context.clear_cookies()
    boss.page.reload()
    boss.heading("Sign in")
    expect(boss.page.get_by_text("Your session has ended")).to_be_visible()
    boss.examined("sign-in")
    boss.complaints = [said for said in boss.complaints if "401" not in said]
    boss.page.get_by_label("User name").fill("boss")
    boss.page.locator("input[autocomplete=current-password]").fill(PASSWORD)
    boss.page.get_by_role("button", name="Sign in").click()
    boss.page.wait_for_url("**/groups/default**")
    boss.page.get_by_role("button", name="Your account").click()
    boss.page.get_by_role("menuitem", name="Sign out").click()
    boss.heading("Sign in")


def test_everything_is_found_by_its_name(boss: Visitor) -> None:
    boss.examined("fleet")
    boss.page.keyboard.press("Control+k")
    boss.page.get_by_placeholder("Find groups, services").fill("default")
    boss.page.get_by_role("dialog").get_by_text("default", exact=True).first.click()
    boss.page.wait_for_url("**/groups/default")
    boss.heading("default")
    boss.examined("group")
