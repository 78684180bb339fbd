"""Permission policies, roles and boundaries through the browser, and why something is denied."""

from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.dashboard.kit import Visitor, exactly, person, visitor
from tests.e2e.kit import Fleet

POLICIES = "/api/permission_policies"


def policy(fleet: Fleet, name: str) -> dict[str, Any]:
    """A policy by its name, as the API has it."""
    (found,) = fleet.call("GET", f"{POLICIES}?name={name}").json()["list"]
    return found


def put_tags(place: Page | Locator, label: str, text: str) -> None:
    """One more pattern; what is offered while one types goes away."""
    field = place.get_by_label(label, exact=True).first
    field.fill(text)
    field.press("Enter")
    field.blur()


def written(boss: Visitor) -> None:
    """Make a policy in the form; on the way its text says the same."""
    page = boss.page
    page.get_by_role("link", name="Add policy").click()
    boss.heading("Add policy")
    page.get_by_role("textbox", name="Name", exact=True).fill("readers of payments")
    put_tags(page, "Actions", "<.*>:Get<.*>")
    expect(page.get_by_role("status").filter(has_text="actions")).to_be_visible()
    put_tags(page, "Resources", "*")
    page.get_by_role("button", name="Add condition").click()
    page.get_by_role("textbox", name="Label", exact=True).fill("team")
    page.get_by_role("textbox", name="is", exact=True).fill("payments")
    page.get_by_role("button", name="Add statement").click()
    second = page.get_by_role("region", name="Statement 1")
    second.get_by_text("Deny", exact=True).click()
    put_tags(second, "Actions", "gateway:GetConsumer")
    put_tags(second, "Resources", "*")
    boss.examined("policy")
    page.get_by_role("tab", name="Editor").click()
    text = page.locator(".cm-content")
    expect(text).to_contain_text("gateway_group_label")
    expect(text).to_contain_text("effect: deny")
    page.get_by_role("tab", name="Form").click()
    expect(page.get_by_role("textbox", name="Label", exact=True)).to_have_value("team")
    page.get_by_role("button", name="Save").click()
    boss.heading("readers of payments")


def given(boss: Visitor) -> None:
    """Make a role of the policy."""
    page = boss.page
    boss.open("/roles")
    boss.heading("Roles")
    page.get_by_role("button", name="Add role").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name", exact=True).fill("payments")
    form.get_by_role("combobox", name="Permission policies").click()
    page.get_by_role("option", name="readers of payments").click()
    page.keyboard.press("Tab")
    boss.accessible()
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="payments").get_by_role("link", name="readers of payments")).to_be_visible()
    boss.examined("roles")


def test_a_policy_is_made_in_a_form_kept_in_step_with_its_text_and_counts_at_once(
    boss: Visitor, browser: Browser, fleet: Fleet
) -> None:
    groups = {
        name: fleet.call("POST", "/api/gateway_groups", {"name": name, "labels": {"team": name}}).json()["value"]["id"]
        for name in ("payments", "search")
    }
    page = boss.page
    boss.open("/policies")
    boss.heading("Permission policies")
    expect(page.get_by_role("row", name="super-admin-permission-policy")).to_contain_text("built in")
    boss.examined("policies")
    written(boss)
    made = policy(fleet, "readers of payments")
    assert [each.get("effect", "allow") for each in made["statement"]] == ["allow", "deny"]
    assert made["statement"][0]["conditions"]["gateway_group_label"]["options"]["value"] == "payments"

    given(boss)
    (role,) = fleet.call("GET", "/api/roles?name=payments").json()["list"]
    person(fleet, "rita", role["id"])

    with visitor(browser, fleet) as rita:
        rita.enter("rita")
        rita.heading("Fleet")
        expect(rita.page.get_by_role("region", name="payments")).to_be_visible()
        expect(rita.page.get_by_role("region", name="search")).to_have_count(0)
        rita.open(f"/groups/{groups['payments']}/consumers")
        refusal = rita.page.get_by_role("alert").first
        expect(refusal).to_contain_text("a statement denies it")
        refusal.get_by_role("link", name="Why is this denied?").click()
        rita.heading("Why is this denied?")
        decided = rita.page.get_by_role("region", name="denied", exact=True)
        expect(decided).to_contain_text("Because a statement denies it")
        expect(decided.get_by_role("link", name="readers of payments").first).to_be_visible()
        expect(decided).to_contain_text("statement 1")
        assert [said for said in rita.complaints if "403" not in said] == []
    for group in groups.values():
        fleet.call("DELETE", f"/api/gateway_groups/{group}").raise_for_status()


def test_what_a_user_may_do_is_explained_and_bounded(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    statement = {"actions": ["gateway:*"], "resources": ["*"]}
    made = fleet.call("POST", POLICIES, {"name": "gateways", "statement": [statement]}).json()["value"]["id"]
    bound = {"actions": ["gateway:Get<.*>"], "resources": ["*"]}
    fleet.call("POST", POLICIES, {"name": "no more than reading", "statement": [bound]}).raise_for_status()
    role = fleet.call("POST", "/api/roles", {"name": "gateways", "policies": [made]}).json()["value"]["id"]
    person(fleet, "bob", role)
    boss.open("/users")
    boss.heading("Users")
    page.get_by_role("button", name="More about bob").click()
    page.get_by_role("menuitem", name="What is allowed, and why").click()
    boss.heading("Why is this denied?")
    page.get_by_label("Paste a refusal").fill(
        "user [bob] is not allowed to do [gateway:PublishServices] with "
        "[arn:api7:gateway:gatewaygroup/default/publishedservice/x]: no policy allows it"
    )
    answer = page.get_by_role("region", name="allowed", exact=True)
    expect(answer).to_contain_text("Because a statement allows it")
    expect(answer.get_by_role("table").get_by_role("row", name="gateways")).to_contain_text("allows it")

    boss.open("/users")
    page.get_by_role("button", name="More about bob").click()
    page.get_by_role("menuitem", name="Boundary").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="Permission policies").click()
    page.get_by_role("option", name="no more than reading").click()
    page.keyboard.press("Tab")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="bob")).to_contain_text("bounded")
    page.go_back()
    boss.heading("Why is this denied?")
    denied = page.get_by_role("region", name="denied", exact=True)
    expect(denied).to_contain_text("the permission boundary does not allow it")
    expect(denied.get_by_role("row", name="no more than reading")).to_contain_text("nothing about it")
    boss.examined("why")


def test_nobody_s_change_of_a_policy_is_overwritten_and_the_built_in_one_stays(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    body = {"name": "shared", "statement": [{"actions": ["gateway:*"], "resources": ["*"]}]}
    id_ = fleet.call("POST", POLICIES, body).json()["value"]["id"]
    boss.open(f"/policies/{id_}")
    boss.heading("shared")
    page.get_by_label("Description").fill("mine")
    fleet.call("PUT", f"{POLICIES}/{id_}", {**body, "desc": "theirs"}).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("somebody else")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Stay here").click()
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_label("Description")).to_have_value("theirs")
    page.get_by_role("button", name="Remove statement 0").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("1 to 100 statements")
    boss.complaints = [said for said in boss.complaints if "412" not in said and "400" not in said]
    page.get_by_role("button", name=exactly("Delete")).click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
    boss.heading("Permission policies")
    expect(page.get_by_role("row", name="shared")).to_have_count(0)
    boss.open("/policies/super_admin_policy_id")
    boss.heading("super-admin-permission-policy")
    expect(page.get_by_role("button", name="Save")).to_have_attribute("aria-disabled", "true")
