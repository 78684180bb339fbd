"""Lets clients call a method of a gRPC service with plain HTTP: fields in JSON, a form or the query; answers in JSON.

Fields keep the names the definition gives them, and messages of Google's (Timestamp, Struct ...) are messages like
others. Bodies of more than a megabyte are answered with 413 or 500. Envoy's own transcoder writes 64-bit numbers,
well-known messages and names otherwise than APISIX does, so it is not used.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from pydantic import Field

from gatefleet.errors import Invalid
from gatefleet.filters import KEEP_PATH, lua, lua_source
from gatefleet.plugin import Conf, Effect, Phase, Plugin, RoutePatch, Scope
from gatefleet.protobuf import Definitions, definitions, tables
from gatefleet.protos.envoy.config.route import v3 as route

SOURCE = lua_source(__name__)
Option = Literal[
    "enum_as_name",
    "enum_as_value",
    "int64_as_number",
    "int64_as_string",
    "int64_as_hexstring",
    "auto_default_values",
    "no_default_values",
    "use_default_values",
    "use_default_metatable",
    "enable_hooks",
    "disable_hooks",
]
DEFAULTS = {
    "auto_default_values": "auto",
    "use_default_values": "all",
    "no_default_values": "no",
    "use_default_metatable": "no",
}


class GrpcTranscode(Conf):
    """Which method is called, and how messages become JSON."""

    proto_id: str | int = Field(description="The id of the protobuf definition (`protos`).")
    service: str = Field(min_length=1, description="The service's full name, package included.")
    method: str = Field(min_length=1, description="The method's name. Methods that stream cannot be carried.")
    deadline: float = Field(default=0, ge=0, le=99_999_999, description="Milliseconds the call may take; 0: no bound.")
    pb_option: Annotated[tuple[Option, ...], Field(strict=False, min_length=1)] = Field(
        default=("enum_as_name", "int64_as_number", "auto_default_values", "disable_hooks"),
        description="How enumerations, 64-bit numbers and fields that were not sent are shown. Hooks have no effect.",
    )
    show_status_in_body: bool = Field(
        default=False, description="Show what `grpc-status-details-bin` says in the body of failed calls."
    )
    status_detail_type: str | None = Field(
        default=None, min_length=1, description="The message that the details are; without it they stay undecoded."
    )


def translate(conf: GrpcTranscode, scope: Scope) -> Iterator[Effect]:
    if not scope.owner.startswith(("route:", "service:", "check")) or scope.conditional:
        raise Invalid("[grpc-transcode] works on routes and services only, and for every request")
    context: dict[str, Any] = {
        "path": f"/{conf.service}/{conf.method}",
        "deadline": f"{conf.deadline:.0f}m" if conf.deadline else "",
        "show_status": conf.show_status_in_body,
        "detail": conf.status_detail_type or "",
        "enum_as_value": "enum_as_value" in conf.pb_option,
        "int64": next((o.removeprefix("int64_as_") for o in reversed(conf.pb_option) if "int64" in o), "number"),
        "defaults": next((DEFAULTS[o] for o in reversed(conf.pb_option) if o in DEFAULTS), "auto"),
    }
    if scope.protos is not None:
        context |= _messages(conf, _definition(conf, scope.protos))
    yield RoutePatch(route.Route(route=route.RouteAction(path_rewrite=KEEP_PATH)))
    yield from lua("grpc-transcode", SOURCE, context, ("native", "forms", "protobuf"))


def _definition(conf: GrpcTranscode, protos: Any) -> Definitions:
    content = protos.get(str(conf.proto_id))
    if content is None:
        raise Invalid(f"[proto_id] proto [{conf.proto_id}] not found")
    try:
        return definitions(content)
    except Invalid as error:
        raise Invalid(f"[proto_id] proto [{conf.proto_id}] {error}") from None


def _messages(conf: GrpcTranscode, found: Definitions) -> dict[str, Any]:
    method = _method(conf, found)
    roots = [method.input_type, method.output_type]
    if conf.status_detail_type:
        roots.append(_detail(conf.status_detail_type, found))
    messages, enums = tables(*roots)
    return {
        "input": method.input_type.full_name,
        "output": method.output_type.full_name,
        "detail": roots[2].full_name if len(roots) > 2 else "",
        "messages": messages,
        "enums": enums,
    }


def _method(conf: GrpcTranscode, found: Definitions) -> MethodDescriptor:
    try:
        method = found.method(conf.service, conf.method)
    except LookupError as error:
        raise Invalid(f"[method] {error.args[0]} in proto [{conf.proto_id}]") from None
    if method.client_streaming or method.server_streaming:
        raise Invalid(f"[method] method [{conf.method}] streams, which cannot be carried as one request and one answer")
    return method


def _detail(name: str, found: Definitions) -> Descriptor:
    try:
        return found.message(name)
    except LookupError as error:
        raise Invalid(f"[status_detail_type] {error.args[0]}") from None


PLUGIN = Plugin(
    name="grpc-transcode",
    priority=506,
    phase=Phase.ACCESS,
    conf=GrpcTranscode,
    translate=translate,
    summary="Lets clients call gRPC methods with plain HTTP.",
    category="transformation",
    examples={
        "A method of a proto of this group": {
            "proto_id": "greeter",
            "service": "helloworld.Greeter",
            "method": "SayHello",
        }
    },
)
