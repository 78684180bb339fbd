"""OpenAPI in and out: what its words mean for a gateway, and that nothing is lost on the way through."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatefleet.admin.openapi_export import exported
from gatefleet.admin.openapi_import import imported
from gatefleet.admin.openapi_read import checked, read
from gatefleet.errors import GatefleetError
from tests.contract.calls import Call, Caller, value
from tests.contract.pem import pair

PETS = """
openapi: 3.0.3
info: {title: Pets, version: 1.0, description: All pets}
servers:
- {url: "https://{env}.example.com:8443/v1", variables: {env: {default: api}}}
- {url: https://api2.example.com/v1}
- {url: http://localhost/v1}
paths:
  /pets/{id}:
    get: {operationId: getPet, tags: [pets], responses: {200: {description: ok}}}
    delete: {tags: [pets, admin], responses: {200: {description: 2024-01-01}}}
  /files/{name}.json:
    $ref: "#/components/pathItems/files"
components: {pathItems: {files: {get: {responses: {200: {description: ok}}}}}}
"""
PETS_31 = PETS.replace("3.0.3", "3.1.0")


def route(name: str, path: str, method: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "paths": [path], "methods": [method], **more}


UNDERSTOOD = {
    "name": "Pets",
    "type": "http",
    "desc": "All pets",
    "path_prefix": "/v1",
    "strip_path_prefix": False,
    "upstream": {
        "scheme": "https",
        "pass_host": "node",
        "nodes": [
            {"host": "api.example.com", "port": 8443, "weight": 100},
            {"host": "api2.example.com", "port": 443, "weight": 100},
        ],
    },
    "routes": [
        route("getPet", "/pets/:id", "GET", labels={"tag": "pets"}),
        route("DELETE /pets/{id}", "/pets/:id", "DELETE", labels={"tag": '["pets", "admin"]'}),
        route("GET /files/{name}.json", "/files/*", "GET"),
    ],
}


@pytest.mark.anyio
async def test_a_document_becomes_a_template(boss: Caller) -> None:
    convert = "/api/openapi/convert"
    for raw in (PETS_31, json.dumps(yaml.safe_load(PETS_31.replace("2024-01-01", "x")))):
        answer = await boss.put(convert, {"raw_openapi": raw})
        assert answer["value"] == UNDERSTOOD
        assert "[http://localhost/v1]" in answer["warning_msg"]
        assert "the route takes [/files/*]" in answer["warning_msg"]
    for body in ({"raw_openapi": PETS_31}, {**UNDERSTOOD, "name": "Pets"}, yaml.safe_load(PETS_31)):
        made = (await boss.post("/api/import/services/template", json.loads(json.dumps(body, default=str))))["value"]
        assert len(await boss.ids("/api/routes/template", service_id=made["id"])) == 3
        await boss.expect(Call("GET", f"/api/services/template/{made['id']}", shape=value({"path_prefix": "/v1"})))
    sent = await boss.http.post("/api/import/services/template", content=PETS_31, headers=boss.credential)
    assert sent.status_code == 200, "YAML as it is"
    document = (await boss.get("/api/export/services", service_ids=made["id"]))["value"]
    assert [*document["paths"]] == ["/pets/{id}", "/files/{rest}"]
    again = (await boss.put(convert, {"raw_openapi": json.dumps(document)}))["value"]
    assert again["routes"] == [{"priority": 0, **each} for each in UNDERSTOOD["routes"]]
    info = {"info": {"title": "One"}, "service_ids": [made["id"]], "servers": [{"url": "https://x"}]}
    await boss.expect_value(
        "POST", "/api/export/services", {"info": {"title": "One"}, "servers": [{"url": "https://x"}]}, info
    )
    assert "nowhere" in await boss.refused(404, "GET", "/api/export/services?service_ids=nowhere")


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
NAME = TEXT.filter(bool)
SERVICES = st.fixed_dictionaries(
    {"name": NAME, "type": st.just("http")},
    optional={
        "path_prefix": st.sampled_from(["/v1", "/a/b"]),
        "hosts": st.just(["a.example.com"]),
        "plugins": st.just({"cors": {"max_age": 7}}),
        "labels": st.dictionaries(TEXT, TEXT, max_size=2),
    },
)
ROUTES = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAME,
            "paths": st.lists(
                st.sampled_from(["/", "/a", "/a/:id", "/a/:id/b", "/b/*", "/b*", "/c/:x/*"]),
                min_size=1,
                max_size=3,
                unique=True,
            ),
        },
        optional={
            "methods": st.lists(st.sampled_from(["POST", "GET", "PURGE", "CONNECT"]), max_size=3, unique=True),
            "priority": st.integers(-3, 3),
            "vars": st.just([["arg_x", "==", "1"]]),
            "labels": st.dictionaries(st.sampled_from(["tag", "team"]), TEXT, max_size=2),
            "desc": TEXT,
        },
    ),
    max_size=4,
    unique_by=lambda each: each["name"],
)


@given(SERVICES, ROUTES)
def test_what_goes_out_comes_back(service: dict[str, Any], routes: list[dict[str, Any]]) -> None:
    document = exported([(service, routes)], {"title": "t", "version": "1"}, [])
    back = imported(read(json.dumps(document)))
    assert back.service == service
    assert sorted(back.routes, key=lambda each: each["name"]) == sorted(routes, key=lambda each: each["name"])
    assert back.warnings == []


def test_an_edited_export_counts_as_it_stands() -> None:
    body = {"name": "r", "paths": ["/a", "/b/*"], "methods": ["GET", "POST"], "plugins": {"cors": {}}}
    document = exported([({"name": "s", "type": "http"}, [body])], {"title": "t", "version": "1"}, [])
    del document["paths"]["/a"]["post"]
    assert imported(checked(document)).routes == [
        {**body, "paths": ["/a"], "methods": ["GET"]},
        {**body, "name": "r 2", "paths": ["/b/*"], "methods": ["GET", "POST"]},
    ]


def bomb() -> str:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]" for n in range(9)]
    return "\n".join(lines)


HEAD = "openapi: 3.1.0\ninfo: {title: a, version: '1'}\n"
WRONG = {
    "has more than": bomb(),
    "no complete anchor": "a: &a [*a]",
    "nested too deeply": "[" * 5000,
    "recursion depth": '{"a":' * 5000,
    "must be 3.0 or 3.1": '{"swagger": "2.0"}',
    "/paths/~1a/get/responses": HEAD.replace("3.1.0", "3.0.0") + "paths: {/a: {get: {}}}",
    "nothing is fetched": HEAD + "paths: {/a: {$ref: 'http://169.254.169.254/x'}}",
    "lead nowhere": HEAD + "paths: {/a: {$ref: '#/paths/~1b'}, /b: {$ref: '#/paths/~1a'}}",
    "must be an http": HEAD + "servers: [{url: 'file:///etc/passwd'}]",
    "no variable [x]": HEAD + "servers: [{url: 'http://{x}/'}]",
    "constructor": "a: !!python/object:os.system 1",
    "cannot be kept": HEAD.replace("title: a", 'title: "\\0"'),
    "not finite": HEAD + "x-a: .inf",
    "larger than": " " * (5 << 20),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_understood_is_refused(said: str) -> None:
    with pytest.raises(GatefleetError) as refusal:
        imported(read(WRONG[said]))
    assert said in str(refusal.value)
    assert refusal.value.status in {400, 413}


@pytest.mark.anyio
async def test_secrets_do_not_leave_with_a_document(boss: Caller) -> None:
    cert, key = pair("a.example.com")
    upstream = {"scheme": "https", "nodes": [], "tls": {"client_cert": cert, "client_key": key}}
    made = (await boss.post("/api/services/template", {"name": "s", "upstream": upstream}))["value"]["id"]
    document = (await boss.get("/api/export/services", service_ids=made))["value"]
    assert document["x-gatefleet-service"]["upstream"]["tls"]["client_key"] == "***"
    assert "client_cert" in await boss.refused(400, "POST", "/api/import/services/template", document)
    made = (await boss.post("/api/services/template", {"name": "s", "plugins": {"csrf": {"key": "k"}}}))["value"]["id"]
    document = (await boss.get("/api/export/services", service_ids=made))["value"]
    said = await boss.refused(400, "POST", "/api/import/services/template", document)
    assert 'Error at "/plugins/csrf/key": put the secret in place of ***' in said
    document["x-gatefleet-service"]["plugins"]["csrf"]["key"] = "k"
    await boss.post("/api/import/services/template", document)
