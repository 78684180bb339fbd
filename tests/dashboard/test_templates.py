"""Service templates, OpenAPI documents and whole configurations: through the browser to two gateways that answer."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.kit import Visitor, exactly
from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join

HOST, PRESENT = "pets.example", "1 of 1 instances live"
DOCUMENT = """
openapi: 3.1.0
info: {title: pets, version: "1"}
paths:
  /get: {get: {operationId: list-pets, tags: [pets]}}
  /pets/{name}.json: {get: {operationId: one-pet}}
"""


@pytest.fixture
def page(boss: Visitor) -> Page:
    return boss.page


@pytest.fixture
def staging(fleet: Fleet) -> Iterator[GatewayNode]:
    """Another gateway group with a node of its own."""
    with kit.workspace() as directory:
        group, token = join(fleet, "staging of templates")
        manager = f"https://127.0.0.1:{fleet.port('dpm_tls')}"
        with kit.node(directory / "s", "--dp-manager", manager, "--token", token, "--envoy-concurrency", "1") as node:
            eventually(lambda: node.status("/status/ready").status == 200)
            yield node
        fleet.call("DELETE", f"/api/gateway_groups/{group}?force=true")


def test_a_document_becomes_a_template_whose_versions_two_gateways_answer(
    boss: Visitor, page: Page, fleet: Fleet, staging: GatewayNode, upstream: int
) -> None:
    boss.open("/templates")
    boss.heading("Service templates")
    boss.examined("templates-empty")
    template = imported(boss, page)
    add_plugin(page, "1")
    publish(boss, page, "1.0.0", upstream)
    for answer in (ask(fleet), ask(staging)):
        assert (answer.status, answer.headers.get("x-version")) == (200, "1")

    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    add_plugin(page, "2")
    assert ask(fleet).headers["x-version"] == "1", "nothing is live before it is published"
    publish(boss, page, "2.0.0", None)
    for node in (fleet, staging):
        eventually(lambda node=node: ask(node).headers.get("x-version") == "2")
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()

    page.get_by_role("tab", name="Versions").click()
    rows = page.get_by_role("table", name="Versions")
    expect(rows.get_by_role("row", name="2.0.0")).to_contain_text("staging of templates")
    boss.examined("template-versions")
    rows.get_by_role("button", name="What it changed").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("x-version 1 -> 2")
    boss.accessible()
    page.keyboard.press("Escape")
    copied_saved_and_deleted(boss, page)
    for group in (each["gateway_group_id"] for each in published(fleet, template)):
        fleet.call("DELETE", f"/api/gateway_groups/{group}/services/{template}")
    fleet.call("DELETE", f"/api/services/template/{template}")


def imported(boss: Visitor, page: Page) -> str:
    """Look at what a document becomes, make a template of it; its id."""
    page.get_by_role("link", name="From OpenAPI").first.click()
    boss.heading("Add from OpenAPI")
    page.locator(".cm-content").fill(DOCUMENT)
    page.locator(".cm-content").blur()  # a cursor blinks as long as it is there
    boss.examined("openapi-document")
    page.get_by_role("button", name="Show what it becomes").click()
    expect(page.get_by_role("alert").filter(has_text="Not understood")).to_contain_text("/pets/*")
    expect(page.get_by_role("row", name="list-pets")).to_contain_text("GET")
    boss.examined("openapi-preview")
    page.get_by_label("Name", exact=False).first.fill("petstore")
    page.get_by_role("button", name="Create the template").click()
    boss.heading("petstore")
    boss.examined("template")
    return page.url.rpartition("/")[2]


def add_plugin(page: Page, version: str) -> None:
    """Have the first route's answers name the version, in the text beside its form."""
    page.get_by_role("tab", name="Routes").click()
    page.get_by_role("link", name="list-pets").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Paths").first).to_be_visible()
    form.get_by_role("tab", name="Editor").click()
    headers = {"response-rewrite": {"headers": {"set": {"x-version": version}}}}
    body = {"name": "list-pets", "paths": ["/get"], "methods": ["GET"], "plugins": headers}
    body["service_id"] = page.url.rpartition("/")[2].partition("?")[0]
    form.locator(".cm-content").fill(json.dumps(body))
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)


def publish(boss: Visitor, page: Page, version: str, upstream: int | None) -> None:
    """To both groups under this version, until it is live in both; the dialog stays open."""
    page.get_by_role("button", name="Publish", exact=True).click()
    form = page.get_by_role("dialog")
    groups = form.get_by_role("combobox", name="To these gateway groups")
    for name in ("default", "staging of templates"):
        groups.fill(name)
        page.get_by_role("option", name=exactly(name)).click()
    page.keyboard.press("Tab")
    form.get_by_label("Version", exact=False).last.fill(version)
    if upstream is not None:
        form.get_by_label("Hosts there").first.fill(HOST)
        form.get_by_label("Hosts there").first.press("Enter")
        nodes = form.locator("fieldset", has_text="Nodes")
        nodes.get_by_label("Host").fill("127.0.0.1")
        nodes.get_by_label("Port").fill(str(upstream))
        boss.accessible()
        boss.picture("publish-form")
    form.get_by_role("button", name="Review the changes").click()
    expect(form.get_by_role("tabpanel", name="In words")).to_have_count(2)
    form.get_by_role("tab", name="Side by side").first.click()
    boss.accessible()
    boss.picture("publish-review")
    form.get_by_role("button", name="Publish now").click()
    expect(form.get_by_text(PRESENT)).to_have_count(2)


def copied_saved_and_deleted(boss: Visitor, page: Page) -> None:
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Copy", exact=True).click()
    boss.heading("petstore copy")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as OpenAPI").click()
    assert "list-pets" in saved.value.path().read_text()
    page.get_by_role("button", name=exactly("Delete")).click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
    boss.heading("Service templates")
    expect(page.get_by_role("link", name="petstore", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="petstore copy")).to_have_count(0)
    boss.examined("templates")


def ask(node: Fleet | GatewayNode) -> kit.Answer:
    return kit.request(kit.PORTS["http"] + node.offset, "GET", "/get", HOST, {})


def published(fleet: Fleet, template: str) -> list[dict[str, str]]:
    return fleet.call("GET", f"/api/services/{template}/published_services").json()["list"]


def test_a_document_becomes_a_service_of_a_group_that_the_search_finds(
    boss: Visitor, page: Page, fleet: Fleet, upstream: int
) -> None:
    boss.open("/groups/default/import")
    page.get_by_role("button", name="Fill in an example").click()
    page.get_by_role("button", name="Show what it becomes").click()
    page.get_by_label("Hosts").first.fill("bin.example")
    page.get_by_label("Hosts").first.press("Enter")
    nodes = page.locator("fieldset", has_text="Nodes")
    nodes.get_by_label("Host").fill("127.0.0.1")
    nodes.get_by_label("Port").fill(str(upstream))
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("route get-anything added")
    boss.accessible()
    page.get_by_role("button", name="Add it now").click()
    expect(page.get_by_role("dialog")).to_contain_text(PRESENT)
    assert fleet.get("/get", host="bin.example").status == 200
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    boss.heading("Services")

    page.keyboard.press("Control+k")
    page.get_by_placeholder("Find groups, services").fill("/status/")
    hit = page.get_by_role("dialog").get_by_text("get-status")
    expect(hit).to_be_visible()
    boss.accessible()
    boss.picture("search")
    hit.click()
    boss.heading("httpbin")
    expect(page.get_by_role("dialog").get_by_label("Name").first).to_have_value("get-status")
    service = page.url.partition("/services/")[2].partition("?")[0]
    fleet.delete(f"services/{service}")


def test_a_whole_configuration_is_looked_at_applied_and_refused_by_field(
    boss: Visitor, page: Page, fleet: Fleet, upstream: int
) -> None:
    boss.open("/groups/default/configuration")
    boss.heading("Configuration as a file")
    editor = page.locator(".cm-content")
    expect(editor).to_be_visible()
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    route = {"name": "applied", "paths": ["/applied"]}
    service = {"id": "applied", "name": "applied", "hosts": ["applied.example"], "upstream": {"nodes": nodes}}
    editor.fill(json.dumps({"services": [{**service, "routes": [{**route, "paths": []}]}]}))
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("alert")).to_contain_text("/services/0/routes/0/paths")
    page.get_by_role("dialog").get_by_role("button", name="Close").first.click()
    boss.complaints.clear()  # the refusal is on the console, as every answer 400 is

    editor.fill(json.dumps({"services": [{**service, "routes": [route]}]}))
    editor.blur()
    boss.examined("configuration")
    page.get_by_label("Note").fill("by file")
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text("route applied added")
    boss.accessible()
    page.get_by_role("button", name="Apply now").click()
    expect(page.get_by_role("dialog")).to_contain_text(PRESENT)
    assert fleet.get("/applied", host="applied.example").status == 200
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(editor).to_contain_text("applied.example")
    fleet.delete("services/applied")
