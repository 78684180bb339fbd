"""Resources by kind: found empty, added, used by the gateway, edited, deleted; instances and how they join."""

from playwright.sync_api import Page, expect

from tests.dashboard.kit import Visitor, exactly
from tests.e2e.kit import Fleet, eventually


def saved(page: Page) -> None:
    """Save what stands in the drawer."""
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)


def test_a_consumer_and_its_key_made_in_the_browser_are_let_in_by_the_gateway(
    boss: Visitor, fleet: Fleet, upstream: int
) -> None:
    page = boss.page
    fleet.service("guarded", upstream)
    fleet.route("guarded", "guarded", "/guarded", plugins={"key-auth": {}})
    boss.open("/groups/default/consumers")
    boss.heading("Consumers")
    page.get_by_role("button", name="Add consumer").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("User name").fill("carol")
    form.get_by_label("Labels").first.fill("team:blue")
    form.get_by_label("Labels").first.press("Enter")
    saved(page)
    row = page.get_by_role("row", name="carol")
    expect(row).to_contain_text("team:blue")
    boss.examined("consumers")
    boss.open(row.get_by_role("link", name="Credentials").get_attribute("href") or "")
    boss.heading("Credentials of carol")
    page.get_by_role("button", name="Add credential").first.click()
    form.get_by_label("Name").first.fill("browser")
    form.locator("input[type=password]").fill("carols-key")
    boss.examined("credential")
    saved(page)
    expect(page.get_by_role("row", name="browser")).to_contain_text("key-auth")
    eventually(lambda: fleet.get("/guarded", apikey="carols-key").status == 200)
    boss.open("/groups/default/consumers")
    page.get_by_role("button", name="Delete carol").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
    expect(page.get_by_role("row", name="carol")).to_have_count(0)
    eventually(lambda: fleet.get("/guarded", apikey="carols-key").status == 401)
    fleet.delete("routes/guarded")
    fleet.delete("services/guarded")


def test_a_resource_under_a_chosen_name_is_added_and_a_mistake_names_its_field(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/groups/default/plugin_metadata")
    boss.heading("Plugin metadata")
    page.get_by_role("button", name="Add plugin metadata").first.click()
    page.get_by_label("Find a plugin").fill("limit")
    page.get_by_role("button", name="limit-count traffic").click()
    form = page.get_by_role("dialog")
    form.get_by_label("limit_header").fill("not a header")
    expect(form.get_by_text("String does not match pattern")).to_be_visible()
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("/limit_header")
    form.get_by_label("limit_header").fill("X-Most")
    saved(page)
    boss.complaints.clear()  # the refusal is on the console, as every answer 400 is
    page.get_by_role("row", name="limit-count").get_by_role("button", name="limit-count", exact=True).click()
    expect(form.get_by_label("limit_header")).to_have_value("X-Most")
    assert page.url.endswith("?edit=limit-count")
    boss.examined("metadata")
    form.get_by_role("button", name="Cancel").click()
    kept = fleet.call("GET", "/apisix/admin/plugin_metadata/limit-count").json()["value"]
    assert kept["limit_header"] == "X-Most"
    fleet.delete("plugin_metadata/limit-count")


def test_every_kind_has_a_page_that_says_what_it_is_for(boss: Visitor) -> None:
    for kind, title in {
        "certificates": "Certificates",
        "ca_certificates": "CA certificates",
        "snis": "SNIs",
        "ssls": "SSL objects",
        "global_rules": "Global rules",
        "service_registries": "Service registries",
        "secret_providers": "Secret providers",
        "protos": "Protos",
    }.items():
        boss.open(f"/groups/default/{kind}")
        boss.heading(title)
        boss.settled()
        boss.accessible()
    boss.examined("kinds")


def test_the_add_instance_dialog_gives_a_script_that_holds_a_token(boss: Visitor) -> None:
    page = boss.page
    boss.open("/groups/default/instances")
    boss.heading("Instances")
    expect(page.get_by_role("row").nth(1)).to_contain_text("healthy")
    boss.examined("instances")
    page.get_by_role("button", name="Add instance").click()
    form = page.get_by_role("dialog")
    form.get_by_text("Docker", exact=True).click()
    form.get_by_role("button", name="Make the script").click()
    expect(form.get_by_label("Join script").last).to_contain_text("docker run")
    boss.examined("add-instance")
