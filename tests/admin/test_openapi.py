"""The API's own description."""

import pytest
from admin_api import Api

from gatefleet.admin.openapi_import import imported
from gatefleet.admin.openapi_read import checked

pytestmark = pytest.mark.anyio


async def test_the_description_names_every_endpoint_and_the_shapes_of_the_kinds(api: Api) -> None:
    description = await api.call("GET", "/api/openapi.json")
    assert description["openapi"].startswith("3.1")
    put = description["paths"]["/apisix/admin/routes/{id}"]["put"]
    assert (put["summary"], put["x-reach"]) == ("UpdateRoute", "group")
    assert {"id", "gateway_group_id"} <= {parameter["name"] for parameter in put["parameters"]}
    sent = put["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schemas = description["components"]["schemas"]
    assert {"name", "paths", "service_id"} <= set(schemas[sent]["required"])
    assert {"id", "created_at"} <= set(schemas[f"{sent}_shown"]["required"])
    assert "key" not in schemas["ssl_shown"]["properties"]
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 140
    assert len(imported(checked(description)).routes) == len(operations), "and it is an OpenAPI document"
