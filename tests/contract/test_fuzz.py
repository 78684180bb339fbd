"""The API does what its description says, whatever it is sent: no 5xx, and no answer outside the description."""

import asyncio
import base64
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import httpx
import postgres as pg
import pytest
import requests
import schemathesis
from admin_api import ADMIN_TOKEN
from conftest import MASTER_KEY
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gatefleet.admin.serve import serving
from gatefleet.settings import AdminSettings
from tests.contract.pem import pair

EXAMPLES: Final = int(os.environ.get("GATEFLEET_API_FUZZ", "2"))
"""Requests per endpoint: the plainest the description allows, then any, allowed or not."""
REFUSED: Final = 0.4
"""The share of endpoints that may refuse all they are sent: their bodies name what is not there."""
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ORDER: Final = ("get", "post", "put", "patch", "delete")
HEADERS: Final = {"X-API-KEY": ADMIN_TOKEN}
SESSION: Final = requests.Session()
SESSION.headers.update(HEADERS)
CERT, KEY = pair("a.example.com")
OPENAPI: Final = '{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {"/x": {"get": {}}}}'
NODES: Final = [{"host": "127.0.0.1", "port": 80, "weight": 1}]
ALLOWED: Final = {"actions": ["gateway:GetGatewayGroup"], "resources": ["*"], "effect": "allow"}
SEEDS: Final[dict[str, dict[str, Any]]] = {
    "services/x": {"name": "x", "upstream": {"nodes": NODES}},
    "services/y": {"name": "y", "type": "stream", "upstream": {"nodes": NODES}},
    "services/x/upstreams/other": {"name": "x"},
    "routes/x": {"name": "x", "paths": ["/x"], "service_id": "x"},
    "stream_routes/x": {"name": "x", "service_id": "y", "server_port": 12345},
    "consumers/x": {"username": "x"},
    "consumers/x/credentials/x": {"name": "x", "plugins": {"key-auth": {"key": "x"}}},
    "ssls/x": {"snis": ["a.example.com"], "cert": CERT, "key": KEY},
    "global_rules/cors": {"plugins": {"cors": {}}},
    "plugin_metadata/limit-count": {"limit_header": "X-Limit"},
    "certificates/x": {"cert": CERT, "key": KEY},
    "ca_certificates/x": {"cert": CERT},
    "snis/x": {"domain": "b.example.com", "certificates": ["x"]},
    "protos/x": {"content": 'syntax = "proto3";'},
    "secret_providers/vault/x": {"uri": "http://v", "prefix": "p", "token": "t"},
}
"""What is there below /apisix/admin before the first request."""
BODIES: Final[dict[str, Any]] = {
    "PUT /api/parse_certificate": {"cert": CERT},
    "PUT /api/validate_cert_key": {"cert": CERT, "key": KEY},
    "POST /api/gateway_groups": {"name": "new"},
    "POST /api/services/template": {"name": "x"},
    "PUT /api/openapi/convert": {"raw_openapi": OPENAPI},
    "POST /api/import/services/template": {"raw_openapi": OPENAPI},
    "POST /api/tokens": {"name": "x"},
    "POST /api/permission_policies": {"name": "x", "statement": [ALLOWED]},
    "POST /api/roles": {"name": "x", "policies": ["super_admin_policy_id"]},
}
"""Bodies that are certainly right, beside those of SEEDS."""
NAMES: Final = {
    "gateway_group_id": ["default", "default", "nowhere"],
    "manager": ["vault", "aws", "nothing"],
    "resource_type": ["service", "ssl", "consumer", "gateway_instance", "nothing"],
    "name": ["limit-count", "cors", "nothing"],
    "revision": ["1", "2", "nothing"],
    "n": ["1", "2", "nothing"],
}
"""What stands in place of a parameter, the first being there; any other is `x` (which is there) or `nothing`."""
IDS: Final = {"/global_rules/": "cors", "/plugin_metadata/": "limit-count", "/upstreams/": "other"}


@pytest.fixture
def url(postgres: pg.Server, admin_database: str, tmp_path: Path) -> Iterator[str]:
    """The Admin API in a thread of its own, over real sockets."""
    (tmp_path / "key").write_text(base64.b64encode(MASTER_KEY).decode())
    configured = AdminSettings(
        dsn=SecretStr(postgres.database(admin_database)),
        encryption_key_file=tmp_path / "key",
        data_dir=tmp_path,
        http_port=0,
        https_port=0,
        status_port=0,
    )
    up: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with serving(configured) as ports:
            done = asyncio.Event()
            up.set_result((ports.http, asyncio.get_running_loop(), done))
            await done.wait()

    sys.setswitchinterval(0.0005)  # two threads that answer each other would wait 5 ms at every turn
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, loop, done = up.result(30)
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(done.set)
    thread.join(30)


@pytest.fixture
def description(url: str) -> dict[str, Any]:
    """The API's description, with what is there in place of any text as an id; and something is there."""
    with httpx.Client(base_url=url, headers=HEADERS) as client:
        for path, body in SEEDS.items():
            answer = client.put(f"/apisix/admin/{path}", params={"gateway_group_id": "default"}, json=body)
            assert answer.status_code == 200, answer.text
        description: dict[str, Any] = client.get("/api/openapi.json").json()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for parameter in operation["parameters"]:
                _name(parameter, path, method)
    return description


def _name(parameter: dict[str, Any], path: str, method: str) -> None:
    if parameter["in"] == "path" or parameter["name"] == "gateway_group_id":
        there = next((name for part, name in IDS.items() if part in path and parameter["name"] == "id"), "x")
        parameter["schema"] = {"enum": NAMES.get(parameter["name"], [there, "nothing"])}
    if parameter["name"] == "gateway_group_id" and parameter["in"] == "query":
        parameter["required"] = True
    if path == "/api/gateway_groups/{gateway_group_id}" and method == "delete":
        parameter["schema"] = {"enum": ["nowhere"]}


def test_no_answer_is_outside_the_description(url: str, description: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(description)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(map(len, description["paths"].values()))
    problems: list[str] = []
    statuses: dict[str, set[int]] = {}
    for operation in sorted(operations, key=lambda each: ORDER.index(each.method.lower())):
        seen = statuses.setdefault(operation.label, set())
        problems += _problems(operation, _right(url, operation, seen))
        problems += _problems(operation, _generated(url, operation, seen))
    assert not problems, "\n\n".join(problems)
    refused = sorted(label for label, seen in statuses.items() if not any(status < 300 for status in seen))
    assert len(refused) < len(operations) * REFUSED, f"hardly anything was accepted by {refused}"


def _right(url: str, operation: Any, statuses: set[int]) -> Callable[[], None]:
    """One request that names what is there."""

    def ask() -> None:
        given = {
            place: {each.name: each.definition["schema"]["enum"][0] for each in parameters if each.is_required}
            for place, parameters in (("path_parameters", operation.path_parameters), ("query", operation.query))
        }
        body = _body(operation)
        case = operation.Case(**given, **({"body": body, "media_type": "application/json"} if body else {}))
        statuses.add(case.call_and_validate(base_url=url, session=SESSION, checks=CHECKS, timeout=60).status_code)

    return ask


def _body(operation: Any) -> Any:
    if operation.label in BODIES or operation.method.lower() not in {"post", "put"}:
        return BODIES.get(operation.label)
    pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path) + ("/[^/]+" if operation.method.lower() == "post" else "")
    return next((body for path, body in SEEDS.items() if re.fullmatch(pattern, f"/apisix/admin/{path}")), None)


def _generated(url: str, operation: Any, statuses: set[int]) -> Callable[[], None]:
    """Requests made from the description."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    def ask(case: Any) -> None:
        answer = case.call_and_validate(base_url=url, session=SESSION, checks=CHECKS, timeout=60)
        statuses.add(answer.status_code)

    return ask


def _problems(operation: Any, ask: Callable[[], None]) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ask()
    except Unsatisfiable:
        return []
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, the others are asked too
        return [f"{operation.label}: {error!r} {error}"]
    return []
