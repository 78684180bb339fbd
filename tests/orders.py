"""A service that tests of releases and of history publish: a template with one route."""

from admin_api import Api

NODES = [{"host": "a.test", "port": 80, "weight": 1}]
CONFIG = "/api/gateway_groups/default/config"


async def published(api: Api) -> str:
    body = {"name": "orders", "upstream": {"nodes": {"t.test:80": 1}}, "hosts": ["t.test"]}
    id_ = (await api.call("POST", "/api/services/template", body))["value"]["id"]
    await api.call("POST", "/api/routes/template", {"name": "r", "paths": ["/orders"], "service_id": id_})
    await publish(api, id_, "1.0")
    return id_


async def publish(api: Api, id_: str, version: str) -> None:
    order = {"create_new_version": True, "gateway_group_id": "default"}
    await api.call("POST", "/api/services/publish", {**order, "services": [{"service_id": id_, "version": version}]})


async def version(api: Api, id_: str) -> str | None:
    return (await api.call("GET", f"/api/gateway_groups/default/services/{id_}"))["value"].get("version")
