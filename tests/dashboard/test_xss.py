"""Script in every text that somebody can write: each page shows it as text, and nothing of it runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Route, expect

from tests.conftest import certificate
from tests.dashboard.kit import PASSWORD, Visitor, person, visitor
from tests.e2e.kit import Fleet, eventually

IMG: Final = '<img data-attack src=x onerror="attacked=1">'
PAYLOADS: Final = (
    IMG,
    "<script data-attack>attacked=1</script>",
    '"><svg data-attack onload=attacked=1>',
    "<svg><animate data-attack onbegin=attacked=1 attributeName=x dur=1s></svg>",
    "<svg><script data-attack href=data:,attacked=1 />",
    '<template shadowrootmode=open><img data-attack src=x onerror="attacked=1"></template>',
    '<iframe data-attack srcdoc="<script>top.attacked=1</script>">',
    '<a data-attack href="javascript:attacked=1">x</a>',
    "</title></textarea></style><img data-attack src=x onerror=attacked=1>",
    "javascript:attacked=1//",
    "' autofocus onfocus='attacked=1",
    "';attacked=1;//",
    "{{constructor.constructor('attacked=1')()}}",
    "${attacked=1}",
    "<b data-attack>&lt;bold&gt;</b>",
)
"""What the OWASP Cross Site Scripting Prevention and Filter Evasion pages list, by where a page might put it."""
ALL: Final = " ".join(PAYLOADS)
LABELS: Final = {IMG: ALL}
USER: Final = f"{IMG} '\"><svg data-attack onload=attacked=1> ${{attacked=1}}"
"""A name of a user holds no colon."""
NODES: Final = [{"host": "127.0.0.1", "port": 1, "weight": 1}]
STOPPED: Final = ("inline event handler", "inline script", "JavaScript URL")
TOLD: Final = {"hostname", "ip", "version", "expected_version", "reason", "pending", "status_reason"}
FOUND: Final = """() => [
    "attacked" in window ? ["it ran"] : [],
    [...document.querySelectorAll("[data-attack], iframe, main script")].map((each) => each.outerHTML),
    [...document.querySelectorAll("[href], [src]")].map((each) => each.href || each.src)
        .filter((address) => !String(address).startsWith(location.origin)),
].flat()"""


@dataclass(frozen=True)
class Hostile:
    """A gateway group every text of which is an attack, one that has a service of it in a version, and a template."""

    group: str
    other: str
    template: str


@pytest.fixture(scope="module")
def hostile(fleet: Fleet) -> Iterator[Hostile]:
    groups = [
        made(fleet, "/api/gateway_groups", {"name": name, "description": ALL, "labels": LABELS}) for name in PAYLOADS
    ]
    here = Hostile(groups[0], groups[1], template(fleet, groups[1]))
    person(fleet, USER, "super_admin_id")
    tokens = fleet.url("admin", "/api/tokens")
    fleet.client.post(tokens, json={"name": ALL}, auth=(USER, PASSWORD)).raise_for_status()
    role = made(fleet, "/api/roles", {"name": IMG, "desc": ALL, "labels": LABELS})
    resources(fleet, here.group)
    said = {"note": ALL, "rollback_note": ALL, "owner": ALL, "version": "1.0.0", "upstream": {"nodes": NODES}}
    made(fleet, f"/api/gateway_groups/{here.group}/services/attack/sync", {"gateway_group_ids": [here.other], **said})
    fleet.route("attack", "attack", "/attack", group=here.group, desc=f"then {ALL}")
    yield here
    fleet.call("DELETE", f"/api/roles/{role}")
    for group in groups:
        fleet.call("DELETE", f"/api/gateway_groups/{group}?force=true")
    fleet.call("DELETE", f"/api/services/template/{here.template}")


def made(fleet: Fleet, path: str, body: Any) -> str:
    """The id of what this POST made."""
    answer = fleet.call("POST", path, body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["value"].get("id"))


def template(fleet: Fleet, group: str) -> str:
    """A service template published twice, so that one version has changed something of the other."""
    text = {"name": f"template {ALL}", "desc": ALL, "labels": LABELS}
    id_ = made(fleet, "/api/services/template", {**text, "upstream": {"nodes": NODES}})
    below = {"name": ALL, "desc": ALL, "labels": LABELS, "service_id": id_}
    for number in ("1", "2"):
        made(fleet, "/api/routes/template", {**below, "paths": [f"/{number}/{ALL}"]})
        item = {"service_id": id_, "version": f"{number} {IMG}", "note": ALL, "owner": ALL}
        made(
            fleet, "/api/services/publish", {"create_new_version": True, "gateway_group_id": group, "services": [item]}
        )
    return id_


def resources(fleet: Fleet, group: str) -> None:
    """One of every kind, with attacks wherever its shape allows them."""
    pair = certificate("attack.test")
    cert, key = pair.certificate, pair.key
    text = {"name": ALL, "desc": ALL, "labels": LABELS}
    no_name = {"desc": ALL, "labels": LABELS}
    rewrite = {"response-rewrite": {"body": ALL}}
    for path, body in {
        "services/attack": {**text, "upstream": {**text, "nodes": NODES}, "plugins": rewrite},
        "services/attack/upstreams/second": {**text, "nodes": NODES},
        "routes/attack": {**text, "service_id": "attack", "paths": [f"/{ALL}"], "plugins": rewrite},
        "consumers/attack": {**no_name, "username": "attack"},
        "consumers/attack/credentials/attack": {**text, "plugins": {"key-auth": {"key": ALL}}},
        "certificates/attack": {"name": ALL, "cert": cert, "key": key},
        "ca_certificates/attack": {"name": ALL, "cert": cert},
        "snis/attack": {"name": ALL, "domain": "sni.test", "certificates": ["attack"]},
        "ssls/attack": {"snis": ["attack.test"], "cert": cert, "key": key, "labels": LABELS},
        "global_rules/response-rewrite": {"plugins": rewrite},
        "plugin_metadata/limit-count": {"limit_header": "X-Limit", "desc": ALL},
        "service_registries/attack": {**text, "type": "dns", "dns_config": {"servers": ["127.0.0.1:1"]}},
        "secret_providers/vault/attack": {**no_name, "uri": f"http://127.0.0.1:1/{ALL}", "prefix": ALL, "token": ALL},
        "protos/attack": {**text, "content": f'syntax = "proto3"; // {ALL}\n'},
    }.items():
        fleet.put(path, body, group=group)


@pytest.fixture(scope="module")
def bare(browser: Browser, fleet: Fleet, hostile: Hostile) -> Iterator[Visitor]:
    """The attacked user in a browser that ignores the page's policy: the pages themselves have to hold."""
    with visitor(browser, fleet, bypass_csp=True) as someone:
        opened: list[str] = []
        someone.page.on("dialog", lambda dialog: met(dialog, opened))
        someone.page.context.on("page", lambda page: opened.append(page.url))
        someone.page.route("**/api/**/{instances,receipts,receipt,service_registries}*", as_a_stolen_node)
        someone.enter(USER, f"/groups/{hostile.group}")
        someone.heading(IMG)
        yield someone
        assert not opened


def met(dialog: Dialog, opened: list[str]) -> None:
    """Only the browser's own question before a page with changes is left may be asked."""
    if dialog.type != "beforeunload":
        opened.append(dialog.message)
    dialog.accept()


def as_a_stolen_node(route: Route) -> None:
    """What instances say of themselves, every text of it an attack."""
    answer = route.fetch()
    route.fulfill(response=answer, json=attacked(answer.json()))


def attacked(value: Any) -> Any:
    if isinstance(value, list):
        return [attacked(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = {str(k): attacked(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    texts = {name: ALL for name in TOLD if name in fields}
    pairs = {name: LABELS for name in ("labels", "problems") if name in fields}
    return {**fields, **texts, **pairs}


def harmless(someone: Visitor, *texts: str) -> None:
    """The page as it stands shows these texts letter by letter, and nothing of them became a part of it."""
    someone.settled()
    for text in texts:
        expect(someone.page.locator("body")).to_contain_text(text)
    found = someone.page.evaluate(FOUND)
    assert not found, f"{someone.page.url}: {found}"


def test_script_in_any_text_is_shown_and_never_run_on_any_page(bare: Visitor, hostile: Hostile) -> None:
    group, service = f"/groups/{hostile.group}", f"/groups/{hostile.group}/services/attack"
    pages = {
        "/": PAYLOADS,
        "/users": (USER,),
        "/roles": (IMG, ALL),
        "/tokens": (ALL,),
        "/audit": (USER,),
        "/?view=table": PAYLOADS,
        f"/?{urlencode({'find': IMG, 'labels': json.dumps(LABELS)})}": (IMG,),
        group: (IMG, ALL),
        f"{group}/services": (ALL,),
        service: (ALL,),
        **{f"{service}?tab={tab}": (ALL,) for tab in ("upstreams", "runtime")},
        f"/groups/{hostile.other}/services/attack?tab=versions": (ALL,),
        f"/groups/{hostile.other}/services/attack?tab=history": (ALL,),
        f"{service}?edit=attack": (),
        "/instances": (ALL,),
        "/matrix": PAYLOADS,
        f"/compare?group={hostile.group}&with={hostile.other}": (IMG, ALL),
        **{f"{group}/{page}": (ALL,) for page in ("settings", "service_registries/attack", "receipts/1")},
        f"/groups/{hostile.other}/revisions": (ALL,),
        f"/groups/{hostile.other}/revisions/1": (ALL,),
        f"{group}/instances": (),
        "/groups/default/instances": (ALL,),
        "/groups/default": (ALL,),
        f"{group}/consumers": (f"{IMG}:{ALL}",),
        f"{group}/consumers/attack/credentials": (ALL,),
        **{f"{group}/{kind}": (ALL,) for kind in ("certificates", "ca_certificates", "service_registries", "protos")},
        **{f"{group}/{kind}": () for kind in ("snis", "global_rules", "plugin_metadata")},
        f"{group}/ssls": (f"{IMG}:{ALL}",),
        f"{group}/secret_providers": (ALL,),
        "/templates": (ALL,),
        f"/templates/{hostile.template}": (ALL,),
        f"/templates/{hostile.template}?tab=versions": (ALL,),
        f"{group}/configuration": (),
        "/templates/import": (),
    }
    for path, texts in pages.items():
        come_to(bare, path)
        harmless(bare, *texts)
    opened_by_hand(bare, hostile)
    bare.quiet()


def come_to(someone: Visitor, path: str) -> None:
    """As by a link: nothing is loaded anew but the page itself, and what ran anywhere stays known."""
    page, here = someone.page, urlsplit(someone.page.url).path
    if PurePosixPath(here).name == PurePosixPath(urlsplit(path).path).name:  # the page would stay, and tell nothing
        someone.open(path)
    else:
        page.evaluate("(path) => { document.title = 'leaving'; history.pushState(null, '', path); }", path)
        expect(page).not_to_have_title("leaving")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def opened_by_hand(bare: Visitor, hostile: Hostile) -> None:
    """What stands at no address of its own: menus, dialogs, editors, reviews."""
    page, group = bare.page, f"/groups/{hostile.group}"
    bare.open("/audit?about=attack")
    page.get_by_role("button", name="Show UpdateRoute").first.click()
    expect(page.get_by_role("dialog").get_by_role("tabpanel", name="In words")).to_contain_text(IMG)
    harmless(bare, f"then {ALL}"[:40])
    bare.open(f"{group}/protos")
    page.get_by_role("button", name=f"Delete {ALL}").click()
    expect(page.get_by_role("dialog")).to_contain_text(ALL)
    harmless(bare)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=ALL, exact=True).click()
    expect(page.get_by_role("dialog").locator(".cm-content")).to_contain_text(ALL)
    harmless(bare)
    bare.open(f"{group}/services/attack")
    page.get_by_role("button", name="Your account").click()
    harmless(bare, USER)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Find groups, services").fill("attack")
    harmless(bare, IMG, ALL)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sync to other groups").click()
    page.get_by_role("combobox", name="To these gateway groups").fill(PAYLOADS[1])
    page.get_by_role("option", name=PAYLOADS[1]).click()
    page.keyboard.press("Tab")
    page.get_by_role("dialog").get_by_label("Version").fill("1.1.0")
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_role("tabpanel", name="In words")).to_contain_text(IMG)
    page.get_by_role("tab", name="Side by side").click()
    harmless(bare, f"then {ALL}")
    from_templates(bare, hostile)


def from_templates(bare: Visitor, hostile: Hostile) -> None:
    """What a version changed, and what a document becomes."""
    page = bare.page
    come_to(bare, f"/templates/{hostile.template}?tab=versions")
    page.get_by_role("button", name="What it changed").click()
    expect(page.get_by_role("dialog").get_by_role("tabpanel", name="In words")).to_contain_text(IMG)
    harmless(bare)
    come_to(bare, "/templates/import")
    operation = {"operationId": ALL, "description": ALL, "tags": [ALL], "servers": [{"url": f"/{IMG}"}]}
    document = {"openapi": "3.1.0", "info": {"title": ALL, "version": ALL}, "paths": {f"/{ALL}": {"get": operation}}}
    page.locator(".cm-content").fill(json.dumps(document))
    page.get_by_role("button", name="Show what it becomes").click()
    expect(page.get_by_role("heading", name="What it becomes")).to_be_visible()
    harmless(bare, ALL)


def test_script_in_what_is_refused_or_in_an_address_is_shown_and_never_run(bare: Visitor, hostile: Hostile) -> None:
    page, group = bare.page, f"/groups/{hostile.group}"
    bare.open(f"{group}/consumers")
    page.get_by_role("button", name="Add consumer").first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("tab", name="Editor").click()
    form.locator(".cm-content").fill(f"username: x\nplugins: {json.dumps({ALL: {}})}\n")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text(ALL)
    harmless(bare)
    for path in (
        f"/groups/{quote(IMG, safe='')}",
        f"{group}/{quote(IMG, safe='')}",
        f"{group}/services/{quote(IMG, safe='')}",
    ):
        bare.open(path)
        expect(page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
        harmless(bare)
    bare.sign_in(USER, "/sign-in?back=javascript:attacked%3D1")
    bare.heading("Fleet")
    harmless(bare)
    bare.complaints = [said for said in bare.complaints if "status of 40" not in said and "not found" not in said]
    bare.quiet()


def test_what_would_get_into_a_page_after_all_is_stopped_by_its_policy(guest: Visitor) -> None:
    guest.open("/sign-in")
    guest.heading("Sign in")
    guest.page.evaluate("(each) => each.map((html) => document.body.insertAdjacentHTML('beforeend', html))", PAYLOADS)
    guest.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'attacked=1'}))")
    guest.page.locator("a[data-attack]").first.dispatch_event("click")
    eventually(lambda: all(any(what in said for said in guest.complaints) for what in STOPPED))
    assert guest.page.evaluate("'attacked' in window") is False
    guest.complaints.clear()  # the policy's own reports
