"""Protobuf definitions: judged when they are written, counted where they are used, and kept while they are."""

import pytest

from tests.contract.calls import Call, Caller

pytestmark = pytest.mark.anyio
HELLO = """
syntax = "proto3";
package hello;
service Greeter { rpc Say (Word) returns (Word); }
message Word { string a = 1; }
"""
UPSTREAM = {"scheme": "grpc", "nodes": [{"host": "127.0.0.1", "port": 50051, "weight": 1}]}


async def test_a_definition_is_used_by_the_plugins_that_name_it(group: Caller) -> None:
    refused = await group.refused(400, "PUT", "protos/hello", {"content": "message {"})
    assert 'Error at "/content": is neither .proto text nor a descriptor set' in refused
    await group.expect(Call("PUT", "protos/hello", {"content": HELLO}))
    await group.expect(Call("PUT", "services/s", {"name": "s", "upstream": UPSTREAM}))
    transcode = {"proto_id": "hello", "service": "hello.Greeter", "method": "Say"}
    route = {"name": "r", "paths": ["/say"], "service_id": "s", "plugins": {"grpc-transcode": transcode}}
    nowhere = {**route, "plugins": {"grpc-transcode": {**transcode, "method": "Shout"}}}
    assert "no method [Shout]" in await group.refused(400, "PUT", "routes/r", nowhere)
    unknown = {**route, "plugins": {"grpc-transcode": {**transcode, "proto_id": "bye"}}}
    assert "bye" in await group.refused(400, "PUT", "routes/r", unknown)
    await group.expect(Call("PUT", "routes/r", route))
    assert (await group.get(f"/api/gateway_groups/{group.group}/protos/hello/usage"))["total"] == 1
    assert "routes [r]" in await group.refused(400, "DELETE", "protos/hello")
    await group.expect(Call("DELETE", "routes/r", shape=""))
    await group.expect(Call("DELETE", "protos/hello", shape=""))
