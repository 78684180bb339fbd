"""The OpenAPI document of the Admin API: from the endpoints as they were added and the shapes they take."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import msgspec
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from gatefleet import VERSION
from gatefleet.resources.schema import json_schema, plain

Schema = Mapping[str, Any]
Parameter = Mapping[str, Any]
Body = type[msgspec.Struct] | type[BaseModel] | Mapping[str, Any]
ERRORS: Final = {
    400: "What was sent cannot be accepted; `error_msg` names the field and what to do.",
    401: "No credential, or one that is not valid.",
    403: "The caller may not do this.",
    404: "There is no such thing here.",
    409: "It is taken, or somebody else changed it meanwhile.",
    412: "It is not what If-Match says any more: somebody else has changed it.",
    413: "The request's body is too large.",
    429: "Asked too often; Retry-After says when to come back.",
    503: "PostgreSQL, a registry, a bucket or Prometheus does not answer.",
}
TEXT: Final[Schema] = {"type": "string"}
TIME: Final[Schema] = {"type": "integer", "minimum": 0, "description": "Unix seconds"}
OBJECT: Final[Schema] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What status 200 comes with. `paged`: the endpoint takes the parameters of a list.

    `may_wait`: instead of it, status 202 may come with what now waits for an approval.
    """

    schema: Schema
    paged: bool = False
    media: str = "application/json"
    may_wait: bool = False


def one(schema: Schema = OBJECT) -> Answer:
    """One object: `{"value": ...}`."""
    return exactly({"type": "object", "required": ["value"], "properties": {"value": schema}})


def many(schema: Schema = OBJECT, *, paged: bool = True) -> Answer:
    """A list: `{"list": [...], "total": N}`."""
    listed = {"list": {"type": "array", "items": schema}, "total": {"type": "integer", "minimum": 0}}
    return Answer({"type": "object", "required": ["list", "total"], "properties": listed}, paged=paged)


def exactly(schema: Schema) -> Answer:
    """A body without an envelope."""
    return Answer(schema)


def parameter(name: str, schema: Schema = TEXT, description: str = "") -> Parameter:
    """A parameter of the query string that may be left out."""
    return {"name": name, "in": "query", "schema": schema, **({"description": description} if description else {})}


ANYTHING: Final = exactly(
    {"type": "object", "anyOf": [{"required": ["value"]}, {"required": ["list", "total"]}, {"maxProperties": 0}]}
)
"""One of the envelopes, or nothing; for endpoints that do not say more."""
WAITING: Final[Schema] = {
    "description": "Nothing was done yet: somebody else has to approve it.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["value"],
                "properties": {
                    "value": {"type": "object", "required": ["approval"], "properties": {"approval": OBJECT}}
                },
            }
        }
    },
}
NOTHING: Final = exactly({"type": "string", "maxLength": 0})
"""What a delete below /apisix/admin answers."""
PATCH: Final[Schema] = {
    "description": "An array is a JSON Patch (RFC 6902), an object is merged (RFC 7396).",
    "anyOf": [
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["op", "path"],
                "properties": {
                    "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                    "path": TEXT,
                    "from": TEXT,
                    "value": {},
                },
            },
        },
        OBJECT,
    ],
}
GROUP: Final = parameter(
    "gateway_group_id", {"type": "string", "minLength": 1}, "The gateway group; an admin key of a group implies its own"
)
PAGES: Final = (
    parameter("page", {"type": "integer", "minimum": 1}),
    parameter("page_size", {"type": "integer", "minimum": 1}, "Without it everything is on one page"),
    parameter("direction", {"enum": ["asc", "desc"]}),
    parameter("order_by", {"enum": ["created_at", "updated_at"]}),
    parameter("search", TEXT, "Part of the id, the name or the description"),
)
LABELS: Final[Sequence[Parameter]] = (
    {
        **parameter("labels", {"type": "object", "additionalProperties": TEXT}, "As in `labels[team]=a`"),
        "style": "deepObject",
        "explode": True,
    },
    parameter("label", TEXT, "A key that the labels must have"),
)


def operation(
    method: str, path: str, *, body: Body | None, answers: Answer, query: Sequence[Parameter]
) -> dict[str, Any]:
    """An operation object; its parameters are a list that may be added to."""
    taken = {parameter["name"] for parameter in query}
    pages = [parameter for parameter in PAGES if answers.paged and parameter["name"] not in taken]
    named = [_in_path(name) for name in re.findall(r"\{(\w+)\}", path)]
    content = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of_body(body)}}}}
    return {
        "operationId": "_".join(re.findall(r"\w+", f"{method.lower()} {path}")),
        "parameters": [*named, *query, *pages],
        **(content if body is not None else {}),
        "responses": {
            "200": {"description": "Done.", "content": {answers.media: {"schema": answers.schema}}},
            **({"202": WAITING} if answers.may_wait else {}),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in ERRORS},
        },
    }


@cache
def _of_struct(struct: type[msgspec.Struct]) -> Schema:
    raw = msgspec.json.schema(struct)
    return cast("Schema", plain(raw, raw.pop("$defs", {})))


def schema_of_body(body: Body | None) -> Schema:
    """The JSON Schema of what an endpoint reads."""
    if isinstance(body, type):
        return _of_struct(body) if issubclass(body, msgspec.Struct) else json_schema(body)
    return body or {}


def document(routes: Iterable[BaseRoute], components: Mapping[str, Schema]) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1; `components` are the schemas that operations refer to by name."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, APIRoute) and route.openapi_extra:
            described = {**route.openapi_extra, "tags": list(route.tags)}
            paths.setdefault(route.path, {}).update({method.lower(): described for method in route.methods or ()})
    error = {"type": "object", "required": ["error_msg"], "properties": {"error_msg": TEXT}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gatefleet Admin API", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**components, "error": error},
            "responses": {str(status): _error(said) for status, said in ERRORS.items()},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
                "password": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "gatefleet_session"},
            },
        },
        "security": [{"key": []}, {"password": []}, {"session": []}],
    }


def _error(said: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
    return {"description": said, "content": content}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
