"""What is written down of a request: APISIX's own entry, or one of a format the user gives; and its way to a sink.

The native module writes an entry as JSON when the request is over; the node's agent sends it to the sink that the
configuration names with it. Entry: APISIX documentation, plugins/http-logger, "Examples"; variables: "APISIX variable".
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union

from pydantic import Field, TypeAdapter

from gatefleet import VERSION, judging
from gatefleet.errors import Invalid
from gatefleet.filters import native
from gatefleet.native.config import Field as Part
from gatefleet.native.config import encode_config
from gatefleet.plugin import Conf, Effect, Scope

VARIABLES: Final = frozenset(
    {"host", "uri", "request_uri", "args", "query_string", "is_args", "request_method", "scheme", "server_protocol"}
    | {"request", "request_length", "request_id", "remote_addr", "remote_port", "server_addr", "server_port"}
    | {"consumer_name", "status", "body_bytes_sent", "bytes_sent", "upstream_addr", "upstream_status"}
    | {"request_time", "upstream_response_time", "time_iso8601", "time_local", "msec", "hostname"}
    | {"request_body", "resp_body"}
)
PREFIXES: Final = ("http_", "arg_", "cookie_", "sent_http_", "upstream_http_")
BODY_MOST: Final = 524288
DEEPEST: Final = 5
"""Objects in objects, as APISIX bounds it."""

Format = Mapping[str, Union[str, "Format"]]
LogFormat = Annotated[dict[str, Any], Field(min_length=1)]
Condition = list[Any]


class LoggerMetadata(Conf):
    """Counts for all uses of the plugin in the group that have no format of their own."""

    log_format: LogFormat | None = Field(
        default=None, description="Names and what to write: texts, `$variables` and objects of them."
    )


class Entries(Conf):
    """What is written down; the fields that all loggers share."""

    log_format: LogFormat | None = Field(
        default=None,
        description="Names and what to write: texts, `$variables` and objects of them; unset: APISIX's own entry. "
        "Unknown variables are refused.",
    )
    include_req_body: bool = Field(default=False, description="Write the request's body, too.")
    include_req_body_expr: Condition | None = Field(
        default=None, min_length=1, description="Conditions under which it is written; bodies cannot be asked."
    )
    include_resp_body: bool = Field(default=False, description="Write the response's body, too.")
    include_resp_body_expr: Condition | None = Field(
        default=None, min_length=1, description="Conditions under which it is written; bodies cannot be asked."
    )
    max_req_body_bytes: int = Field(
        default=BODY_MOST, ge=1, description="Most bytes of a request's body; above 524288 is not supported."
    )
    max_resp_body_bytes: int = Field(
        default=BODY_MOST, ge=1, description="Most bytes of a response's body; above 524288 is not supported."
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What the agent decides about an entry: each is a condition, None where nothing is asked."""

    match: Condition | None = None
    request_body: Condition | None = None
    response_body: Condition | None = None

    def variables(self) -> list[str]:
        """The variables they ask for, in a constant order."""
        asked = (self.match, self.request_body, self.response_body)
        return sorted({name for one in asked if one is not None for name in judging.variables(one)})


def effect(conf: Entries, scope: Scope, sink: Mapping[str, Any], match: Condition | None = None) -> Effect:
    """The filter that writes entries for `sink`, which is JSON that the agent understands (`kind` names it).

    A global rule stands before all routes and in each of them: there it only tells which route it is, as does what a
    route has in its place. Raises Invalid, naming the field, for what cannot be written or asked.
    """
    place: list[Part] = [("route", scope.route_id.encode()), ("service", scope.service_id.encode())]
    if scope.owner == "global" and scope.route_id:
        return native("access-log", encode_config(place))
    rules = Rules(
        match=_checked("match", match),
        request_body=_checked("include_req_body_expr", conf.include_req_body_expr if conf.include_req_body else None),
        response_body=_checked(
            "include_resp_body_expr", conf.include_resp_body_expr if conf.include_resp_body else None
        ),
    )
    wanted = _shape(conf, scope)
    asked = rules.variables()
    whole = {"vars": {name: f"${name}" for name in asked}, "entry": wanted} if asked else wanted
    told = {**sink, **({"rules": _plain(rules)} if asked else {})}
    bodies = {
        "request_body": _body_bytes("max_req_body_bytes", conf.include_req_body, conf.max_req_body_bytes),
        "response_body": _body_bytes("max_resp_body_bytes", conf.include_resp_body, conf.max_resp_body_bytes),
    }
    fields: list[Part] = place if scope.below_global else []
    fields.append(("sink", json.dumps(told, sort_keys=True, separators=(",", ":")).encode()))
    fields += [(name, str(most).encode()) for name, most in bodies.items() if most]
    return native("access-log", encode_config((*fields, *_object(whole))))


def _plain(rules: Rules) -> dict[str, Condition]:
    found = {"match": rules.match, "request_body": rules.request_body, "response_body": rules.response_body}
    return {name: rule for name, rule in found.items() if rule is not None}


def _checked(field: str, rule: Condition | None) -> Condition | None:
    if rule is not None:
        for name in judging.variables(judging.check(rule, field)):
            if not _is_known(name) or name in {"request_body", "resp_body"}:
                raise Invalid(f"[{field}] uses the variable [{name}], which is not available here")
    return rule


def _body_bytes(field: str, wanted: bool, most: int) -> int:  # noqa: FBT001 - a value, not a switch
    if not wanted:
        return 0
    if most > BODY_MOST:
        raise Invalid(f"[{field}] cannot be more than {BODY_MOST}: entries are kept in memory until they are sent")
    return most


def _shape(conf: Entries, scope: Scope) -> Format:
    metadata = LoggerMetadata.model_validate(dict(scope.metadata))
    given = conf.log_format or metadata.log_format
    if given is None:
        return _usual(conf, scope)
    shape = dict(_format(given, scope, 1))
    shape |= _place(scope)
    if conf.include_req_body or conf.include_resp_body:
        shape |= {"request": {"body": "$request_body"}} if conf.include_req_body and "request" not in shape else {}
        shape |= {"response": {"body": "$resp_body"}} if conf.include_resp_body and "response" not in shape else {}
    return shape


def _usual(conf: Entries, scope: Scope) -> Format:
    request = {
        "method": "$request_method",
        "uri": "$request_uri",
        "url": "$url",
        "size": "$request.size",
        "headers": "$request.headers",
        "querystring": "$request.querystring",
    }
    response = {"status": "$response.status", "headers": "$response.headers", "size": "$response.size"}
    return {
        "request": request | ({"body": "$request_body"} if conf.include_req_body else {}),
        "response": response | ({"body": "$resp_body"} if conf.include_resp_body else {}),
        "server": {"hostname": "$hostname", "version": _text(VERSION)},
        "upstream": "$upstream_addr",
        **_place(scope),
        "consumer": "$request.consumer",
        "client_ip": "$remote_addr",
        "start_time": "$start_time",
        "latency": "$latency",
        "upstream_latency": "$upstream_latency",
        "apisix_latency": "$apisix_latency",
    }


def _place(scope: Scope) -> dict[str, str]:
    """Route and service; where all routes are meant, what the one that serves tells."""
    if not scope.route_id:
        return {"service_id": "$service_id", "route_id": "$route_id"}
    return {"service_id": _text(scope.service_id), "route_id": _text(scope.route_id)}


def _format(given: Mapping[str, Any], scope: Scope, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise Invalid(f"[log_format] has objects in objects more than {DEEPEST} deep")
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield name, dict(_format(_OBJECT.validate_python(value), scope, depth + 1))
        elif isinstance(value, str):
            yield name, _leaf(value, scope)
        else:
            raise Invalid(f"[log_format] has a value for [{name}] that is neither a text nor an object")


_OBJECT: Final = TypeAdapter(dict[str, Any])


def _leaf(value: str, scope: Scope) -> str:
    if not value.startswith("$"):
        return _text(value)
    name = value.removeprefix("$")
    if name in _place(scope):
        return _place(scope)[name]
    if not _is_known(name):
        raise Invalid(f"[log_format] uses the variable [{value}], which is not available here")
    return value


def _is_known(name: str) -> bool:
    return name in VARIABLES or any(name.startswith(prefix) and len(name) > len(prefix) for prefix in PREFIXES)


def _text(value: str) -> str:
    """A constant, as JSON behind an equals sign."""
    return "=" + json.dumps(value, ensure_ascii=False)


def _object(shape: Format) -> Iterator[Part]:
    yield "open", b""
    for name, value in shape.items():
        yield "name", json.dumps(name, ensure_ascii=False).encode()
        if not isinstance(value, str):
            yield from _object(value)
        elif value.startswith("="):
            yield "json", value[1:].encode()
        else:
            yield "value", value[1:].encode()
    yield "close", b""
