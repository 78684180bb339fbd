"""Plugins, routes and upstreams through the browser; requests through the gateway prove what the forms say."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from gatefleet import pki
from tests.dashboard.kit import Visitor, exactly
from tests.e2e.kit import Fleet, eventually

NAME = "plugged"
HERE = f"/groups/default/services/{NAME}"
ODD = ("traffic-split", "proxy-rewrite", "redirect", "openid-connect", "workflow", "response-rewrite", "multi-auth")
"""Plugins with unions, lists of objects, lists of lists, or very many fields."""


@pytest.fixture(scope="module")
def plugged(fleet: Fleet, upstream: int) -> Iterator[int]:
    """A service with one route."""
    fleet.service(NAME, upstream)
    fleet.route(NAME, NAME, "/plugged")
    yield upstream
    fleet.delete(f"services/{NAME}")


def dialog(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=exactly(name))


def patterns(schema: Any) -> Iterator[str]:
    """Every regular expression in a schema."""
    if isinstance(schema, list):
        for each in schema:  # pyright: ignore[reportUnknownVariableType]
            yield from patterns(each)
    elif isinstance(schema, dict):
        for key, each in schema.items():  # pyright: ignore[reportUnknownVariableType]
            if key == "pattern" and isinstance(each, str):
                yield each
            else:
                yield from patterns(each)


def choose(page: Page, plugin: str) -> None:
    """In the catalogue."""
    page.get_by_role("button", name=re.compile(f"^{plugin} ")).click()


def saved(page: Page, what: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text(what)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.usefixtures("plugged")
def test_a_plugin_is_found_in_the_catalogue_configured_in_a_form_and_works(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    boss.open(f"{HERE}?edit={NAME}")
    page.get_by_role("button", name="Add plugin").click()
    catalogue = dialog(page, "Add plugin")
    catalogue.get_by_text("security", exact=True).first.click()
    expect(catalogue.get_by_role("status")).to_contain_text(re.compile(r"^\d+ of \d+ plugins$"))
    catalogue.get_by_text("All", exact=True).click()
    catalogue.get_by_label("Find a plugin").fill("each consumer")
    boss.examined("plugin-catalogue")
    choose(page, "limit-count")
    form = dialog(page, "Plugin limit-count")
    form.get_by_role("button", name="Begin with an example").click()
    form.get_by_role("menuitem", name="100 an hour for each client").click()
    text = form.locator(".cm-content")
    expect(text).to_contain_text("count: 100")
    form.get_by_label(exactly("count *")).fill("0")
    expect(form.get_by_text("It has to be more than 0")).to_be_visible()
    boss.examined("plugin-form")
    text.fill("count: 1\ntime_window: 600\nrejected_code: 429\n")
    expect(form.get_by_label(exactly("time_window *"))).to_have_value("600")
    form.get_by_role("button", name="Done").click()
    boss.examined("route-form")
    saved(page, "The route was saved")
    eventually(lambda: fleet.get("/plugged").status == 429)
    boss.open(f"{HERE}?edit={NAME}")
    page.get_by_role("switch", name="limit-count is on").press("Space")
    saved(page, "The route was saved")
    eventually(lambda: fleet.get("/plugged").status == 200)


@pytest.mark.usefixtures("plugged")
def test_the_forms_of_plugins_agree_with_their_examples_and_stand_in_the_order_they_run(
    boss: Visitor, fleet: Fleet
) -> None:
    page = boss.page
    boss.open(f"{HERE}?edit=new")
    for plugin in ODD:
        page.get_by_role("button", name="Add plugin").click()
        choose(page, plugin)
        form = dialog(page, f"Plugin {plugin}")
        form.get_by_role("button", name="Begin with an example").click()
        form.get_by_role("menuitem").last.click()
        expect(
            form.get_by_role("group", name="_meta").or_(form.get_by_text(re.compile(r"^Show \d+"))).first
        ).to_be_visible()
        expect(form.locator("[aria-invalid=true]")).to_have_count(0)
        form.get_by_role("button", name="Done").click()
    rows = page.get_by_role("group", name=re.compile("^Plugin "))
    order = fleet.call("GET", "/apisix/admin/plugins/list").json()
    expect(rows).to_have_count(len(ODD))
    shown = [name.removeprefix("Plugin ") for name in rows.evaluate_all("(all) => all.map((one) => one.ariaLabel)")]
    assert shown == [name for name in order if name in ODD]
    schemas = [fleet.call("GET", f"/apisix/admin/plugins/{name}").json() for name in order]
    page.evaluate("(all) => all.map((one) => new RegExp(one, 'u'))", list(patterns(schemas)))


def test_a_route_says_everything_it_can_in_its_form(boss: Visitor, fleet: Fleet, plugged: int) -> None:
    page = boss.page
    boss.open(f"{HERE}?edit=new")
    form = dialog(page, "Add route")
    form.get_by_label("Name", exact=False).first.fill("whole")
    for field, text in {"Paths": "whole", "Hosts": "whole.test", "Addresses of clients": "127.0.0.0/8"}.items():
        form.get_by_label(field).first.fill(text)
        form.get_by_label(field).first.press("Enter")
    form.get_by_label("Conditions").fill('- [arg_version, "==", v2]')
    form.get_by_label("Priority").fill("7")
    form.get_by_label("Read").first.fill("5")
    form.get_by_label("An upstream of its own").check()
    form.get_by_role("group", name="Nodes").get_by_label("Host").fill("127.0.0.1")
    form.get_by_role("group", name="Nodes").get_by_label("Port").fill(str(plugged))
    saved(page, "The route was added")
    eventually(lambda: fleet.get("/whole?version=v2", host="whole.test").status == 200)
    assert fleet.get("/whole", host="whole.test").status == 404
    routes = fleet.call("GET", f"/apisix/admin/routes?service_id={NAME}").json()["list"]
    made = next(route for route in routes if route["name"] == "whole")
    assert (made["priority"], made["timeout"]["read"], made["vars"]) == (7, 5, [["arg_version", "==", "v2"]])
    page.get_by_role("link", name="whole", exact=True).click()
    expect(dialog(page, "Route whole").get_by_label("Conditions")).to_have_value("- [ arg_version, ==, v2 ]")


def test_a_global_rule_is_chosen_and_configured_in_its_form(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    boss.open("/groups/default/global_rules")
    page.get_by_role("button", name="Add global rule").first.click()
    choose(page, "request-id")
    form = page.get_by_role("dialog")
    form.get_by_label("header_name").fill("X-Asked")
    saved(page, "The new global rule was saved")
    eventually(lambda: "x-asked" in {name.lower() for name in fleet.get("/nothing").headers})
    boss.open("/groups/default/global_rules")
    expect(page.get_by_role("row", name="request-id")).to_be_visible()
    boss.examined("global-rules")
    page.get_by_role("button", name="Delete request-id").click()
    page.get_by_role("dialog").get_by_role("button", name=exactly("Delete")).click()
    expect(page.get_by_role("row", name="request-id")).to_have_count(0)


def test_a_node_that_does_not_answer_is_seen_on_its_service_and_its_group(
    boss: Visitor, fleet: Fleet, plugged: int
) -> None:
    page = boss.page
    boss.open(f"{HERE}?tab=upstreams")
    page.get_by_role("button", name="Add upstream").click()
    form = dialog(page, "Add upstream")
    form.get_by_label("Name", exact=False).first.fill("second")
    form.get_by_label("Host", exact=False).first.fill("127.0.0.1")
    form.get_by_label("Port").fill("1")
    form.get_by_role("button", name="More settings").click()
    form.get_by_label("Check the nodes").check()
    form.get_by_label("By", exact=True).click()
    page.get_by_role("option", name="tcp").click()
    form.get_by_label("Seconds between checks").fill("1")
    saved(page, "The upstream was added")
    upstreams = fleet.call("GET", f"/apisix/admin/services/{NAME}/upstreams").json()["list"]
    second = next(each["id"] for each in upstreams if each["name"] == "second")
    shares = [{"weighted_upstreams": [{"upstream_id": second}]}]
    fleet.route("second", NAME, "/second", plugins={"traffic-split": {"rules": shares}})
    boss.open(f"{HERE}?tab=upstreams")
    own, other = page.get_by_role("region", name="The service's upstream"), page.get_by_role("region", name="second")
    expect(own).to_contain_text(f"127.0.0.1:{plugged}")
    expect(other.get_by_role("row", name="127.0.0.1:1")).to_contain_text("active check")
    expect(other).to_contain_text("1 of 1 instances")
    boss.examined("upstreams")
    boss.open("/groups/default")
    expect(page.get_by_role("table", name="Nodes that are not healthy")).to_contain_text("127.0.0.1:1")
    boss.examined("group-unwell")


@pytest.mark.usefixtures("plugged")
def test_tls_connections_and_checks_of_an_upstream_are_fields(boss: Visitor, fleet: Fleet) -> None:
    page = boss.page
    authority = pki.create_ca(datetime.now(UTC))
    own = pki.issue_server(authority, ("gateway.test",), datetime.now(UTC))
    fleet.put("certificates/ours", {"name": "our own", "cert": own.certificate, "key": own.key})
    fleet.put("ca_certificates/theirs", {"name": "their authority", "cert": authority.certificate})
    boss.open(f"{HERE}?tab=upstreams")
    page.get_by_role("button", name="Add upstream").click()
    form = dialog(page, "Add upstream")
    form.get_by_label("Name", exact=False).first.fill("trusted")
    form.get_by_label("Scheme").click()
    page.get_by_role("option", name="https").click()
    form.get_by_label("Host", exact=False).first.fill("127.0.0.1")
    form.get_by_label("Port").fill("8443")
    form.get_by_label("Check the upstream's certificate").check()
    form.get_by_role("combobox", name="Certificate authorities").click()
    page.get_by_role("option", name="their authority").click()
    form.get_by_text("One of the group's").click()
    form.get_by_role("combobox", name="Client certificate").click()
    page.get_by_role("option", name="our own").click()
    form.get_by_role("button", name="More settings").click()
    form.get_by_label("Requests on one connection").fill("50")
    form.get_by_label("Check the nodes").check()
    form.get_by_label("Judge by real requests, too").check()
    for field, statuses in {"Statuses that are healthy": "204", "Statuses that count as failures": "500 502"}.items():
        for status in statuses.split():
            form.get_by_label(field).first.fill(status)
            form.get_by_label(field).first.press("Enter")
    boss.examined("upstream-form")
    saved(page, "The upstream was added")
    upstreams = fleet.call("GET", f"/apisix/admin/services/{NAME}/upstreams").json()["list"]
    made = next(each for each in upstreams if each["name"] == "trusted")
    assert (made["tls_verify"], made["client_certificate"], made["ca_certificates"]) == (True, "ours", ["theirs"])
    assert made["keepalive_pool"]["requests"] == 50
    assert made["checks"]["active"]["healthy"]["http_statuses"] == [204]
    assert made["checks"]["passive"]["unhealthy"]["http_statuses"] == [500, 502]

    page.get_by_role("button", name="Edit trusted").click()
    form = dialog(page, "Edit trusted")
    form.get_by_label("Check the upstream's certificate").uncheck()
    form.get_by_text("Given here", exact=True).click()
    form.get_by_label("Client certificate").fill(own.certificate)
    form.get_by_label("Private key").fill(own.key)
    saved(page, "The upstream was saved")
    after = fleet.call("GET", f"/apisix/admin/services/{NAME}/upstreams/{made['id']}").json()["value"]
    assert after["tls"]["client_cert"] == own.certificate
    assert "client_certificate" not in after
    assert not after.get("tls_verify")
    fleet.delete(f"services/{NAME}/upstreams/{made['id']}")
    fleet.delete("certificates/ours")
    fleet.delete("ca_certificates/theirs")
