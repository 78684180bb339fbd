"""From Test to UAT and back through the browser; requests through the gateways prove every step."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.kit import Visitor, person, visitor
from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join

NAME = "journey"
TEST_HOST, UAT_HOST, OWN_HOST = "journey.test.example", "journey.uat.example", "own.uat.example"


@pytest.fixture(scope="module")
def uat(fleet: Fleet) -> Iterator[GatewayNode]:
    """Another gateway group with a node of its own."""
    with kit.workspace() as directory:
        group, token = join(fleet, "UAT of the journey")
        manager = f"https://127.0.0.1:{fleet.port('dpm_tls')}"
        with kit.node(directory / "uat", "--dp-manager", manager, "--token", token, "--envoy-concurrency", "1") as node:
            eventually(lambda: node.status("/status/ready").status == 200)
            yield node
        fleet.call("DELETE", f"/api/gateway_groups/{group}?force=true")


@pytest.fixture
def page(boss: Visitor) -> Page:
    return boss.page


def test_a_service_goes_from_test_to_uat_and_back(
    boss: Visitor, page: Page, fleet: Fleet, uat: GatewayNode, upstream: int
) -> None:
    add_service(boss, page, upstream)
    eventually(lambda: fleet.get("/get", host=TEST_HOST).status == 200)
    boss.examined("service")

    sync(page, "1.0.0", upstream)
    eventually(lambda: at(uat, "/get").status == 200)
    assert at(uat, "/post").status == 404

    own_host(boss, page, fleet)
    eventually(lambda: at(uat, "/get", OWN_HOST).status == 200)

    add_path(boss, page)
    eventually(lambda: fleet.get("/post", host=TEST_HOST).status == 200)
    sync(page, "1.1.0", None, review="/post")
    eventually(lambda: at(uat, "/post").status == 200)
    assert at(uat, "/post", OWN_HOST).status == 200, "a release leaves the group's own hosts as they are"
    found_by_name_in_a_registry(boss, page, fleet)

    boss.open(f"/groups/{group_id(fleet)}/services")
    page.get_by_role("link", name=NAME, exact=True).click()
    page.get_by_role("tab", name="Versions").click()
    boss.examined("versions")
    page.get_by_role("row", name="1.0.0").get_by_role("button", name="Roll back").click()
    page.get_by_label("Note").fill("too early")
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("/post")
    page.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of 1 instances live")
    eventually(lambda: at(uat, "/post").status == 404)
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("row", name="rollback")).to_contain_text("too early")
    boss.examined("history")

    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    eventually(lambda: at(uat, "/get").status == 404)
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove from this group").click()
    page.get_by_role("button", name="Remove now").click()
    page.wait_for_url("**/services")
    fleet.delete(f"services/{service_id(fleet)}")


def add_service(boss: Visitor, page: Page, upstream: int) -> None:
    """By hand, with a path that lacks its slash."""
    boss.open("/groups/default/services")
    page.get_by_role("button", name="Add service").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=False).first.fill(NAME)
    form.get_by_role("combobox", name="Hosts").or_(form.get_by_label("Hosts")).first.fill(TEST_HOST)
    form.locator("fieldset", has_text="Nodes").get_by_label("Host").fill("127.0.0.1")
    form.get_by_label("Port").fill(str(upstream))
    form.get_by_label("Name of the route").fill("get")
    form.get_by_label("Paths").first.fill("get")
    form.get_by_label("Paths").first.press("Enter")
    expect(form.get_by_text("/get", exact=True)).to_be_visible()
    boss.accessible()
    form.get_by_role("button", name="Add service").click()
    boss.heading(NAME)
    expect(page.get_by_text("1 of 1 instances live")).to_be_visible()


def sync(page: Page, version: str, upstream: int | None, review: str = "added") -> None:
    """To UAT, with a look at what it changes, until it is live there."""
    page.get_by_role("button", name="Sync to other groups").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="To these gateway groups").fill("UAT of")
    page.get_by_role("option", name="UAT of the journey").click()
    page.keyboard.press("Tab")
    form.get_by_label("Version").fill(version)
    if upstream is not None:
        form.get_by_label("Hosts there").first.fill(UAT_HOST)
        form.get_by_text("These nodes").click()
        form.get_by_label("Host", exact=False).last.fill("127.0.0.1")
        form.get_by_label("Port").fill(str(upstream))
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text(review)
    page.get_by_role("tab", name="Side by side").click()
    page.get_by_role("button", name="Sync now").click()
    expect(form).to_contain_text("1 of 1 instances live")
    form.get_by_role("button", name="Close").last.click()


def own_host(boss: Visitor, page: Page, fleet: Fleet) -> None:
    """Another host for the service in UAT alone, in its runtime configuration; then back to where it came from."""
    here = page.url
    boss.open(f"/groups/{group_id(fleet)}/services/{service_id(fleet)}?tab=runtime")
    form = page.get_by_role("form", name="Runtime configuration")
    form.get_by_label("Hosts").first.fill(OWN_HOST)
    form.get_by_label("Hosts").first.press("Enter")
    form.get_by_role("combobox", name="Host header to the upstream").click()
    page.get_by_role("option", name="The node's own name").click()
    boss.examined("runtime")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The runtime configuration was saved")).to_be_visible()
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("row", name="sync")).to_contain_text("default")
    page.goto(here)


def found_by_name_in_a_registry(boss: Visitor, page: Page, fleet: Fleet) -> None:
    """A sync that says where the service is by a name in a registry, looked at and left."""
    for group in ("default", group_id(fleet)):
        dns = {"name": "dns", "type": "dns", "dns_config": {"servers": ["127.0.0.1:1"]}}
        fleet.put("service_registries/journey", dns, group=group)
    page.get_by_role("button", name="Sync to other groups").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="To these gateway groups").fill("UAT of")
    page.get_by_role("option", name="UAT of the journey").click()
    page.keyboard.press("Tab")
    form.get_by_text("A service registry").click()
    form.get_by_role("combobox", name="Registry").click()
    page.get_by_role("option", name="dns").click()
    form.get_by_label("Namespace").fill("-")
    form.get_by_label("Service in the registry").fill("journey.internal:80")
    boss.accessible()
    boss.picture("sync-registry")
    form.get_by_role("button", name="Review the changes").click()
    expect(form.get_by_role("tabpanel", name="In words")).to_contain_text("journey/-/journey.internal:80")
    form.get_by_role("button", name="Cancel").click()


def add_path(boss: Visitor, page: Page) -> None:
    """In the route's form, which is kept in step with the text beside it."""
    page.get_by_role("link", name="get", exact=True).click()
    form = page.get_by_role("dialog")
    form.get_by_label("Paths").first.fill("post")
    form.get_by_label("Paths").first.press("Enter")
    form.get_by_role("tab", name="Editor").click()
    expect(form.locator(".cm-content")).to_contain_text("- /post")
    boss.accessible()
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The route was saved")).to_be_visible()


def test_two_who_edit_the_same_route_do_not_overwrite_each_other(
    boss: Visitor, page: Page, browser: Browser, fleet: Fleet, upstream: int
) -> None:
    fleet.service("shared", upstream)
    fleet.route("shared", "shared", "/shared")
    address = "/groups/default/services/shared?edit=shared"
    boss.open(address)
    page.get_by_label("Description").fill("mine")
    person(fleet, "other", "super_admin_id")
    with visitor(browser, fleet) as other:
        other.enter("other", address)
        other.page.get_by_label("Description").fill("theirs")
        other.page.get_by_role("button", name="Save").click()
        expect(other.page.get_by_text("The route was saved")).to_be_visible()
        other.quiet()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("somebody else has changed")
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_label("Description")).to_have_value("theirs")
    page.get_by_label("Description").fill("ours")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_text("Leave without saving?")).to_be_visible()
    page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Leave").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    boss.complaints = [said for said in boss.complaints if "412" not in said]
    fleet.delete("services/shared")


def at(node: GatewayNode, path: str, host: str = UAT_HOST) -> kit.Answer:
    return kit.request(kit.PORTS["http"] + node.offset, "GET", path, host, {})


def group_id(fleet: Fleet) -> str:
    found = fleet.call("GET", "/api/gateway_groups?name=UAT of the journey").json()["list"]
    return str(found[0]["id"])


def service_id(fleet: Fleet) -> str:
    found = fleet.call("GET", f"/apisix/admin/services?name={NAME}").json()["list"]
    return str(next(service["id"] for service in found if service["name"] == NAME))
