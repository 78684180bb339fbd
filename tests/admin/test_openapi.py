"""The API's own description."""

import pytest
from admin_api import Api

pytestmark = pytest.mark.anyio


async def test_the_description_names_every_endpoint_and_the_shapes_of_the_kinds(api: Api) -> None:
    description = await api.call("GET", "/api/openapi.json")
    assert description["openapi"].startswith("3.1")
    put = description["paths"]["/apisix/admin/routes/{id}"]["put"]
    assert (put["summary"], put["x-reach"]) == ("UpdateRoute", "group")
    schema = put["requestBody"]["content"]["application/json"]["schema"]
    assert {"name", "paths", "service_id"} <= set(schema["required"])
    assert len(description["paths"]) > 45
