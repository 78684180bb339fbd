"""How an endpoint is added: method, path, handler, the access it declares, and what its description says of it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from gatefleet.admin import openapi
from gatefleet.admin.access import Access, Reach
from gatefleet.admin.openapi import ANYTHING, Answer, Body, Parameter

Handler = Callable[[Request], Awaitable[Response]]


class Endpoint(APIRoute):
    """A route that sees by how its path begins that an address is not its own: a router asks hundreds, one by one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self._begins = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["path"].startswith(self._begins) else (Match.NONE, {})


def add(
    router: APIRouter,
    method: str,
    path: str,
    handler: Handler,
    access: Access,
    *,
    body: Body | None = None,
    answers: Answer = ANYTHING,
    query: Sequence[Parameter] = (),
    **more: Any,
) -> None:
    """Route `method path` to the handler, which runs only if `access` lets the caller in.

    The rest is for /api/openapi.json: `body` is a shape (a msgspec struct, a pydantic model or a JSON Schema),
    `answers` what status 200 comes with (openapi.one, openapi.many, openapi.exactly), `query` the parameters of the
    query string (openapi.parameter) besides the group's and a list's, and `more` further fields of the operation.
    """
    full = router.prefix + path
    operation = openapi.operation(method, full, body=body, answers=answers, query=query)
    if access.reach is Reach.PUBLIC:
        operation["security"] = []
    if access.reach is Reach.GROUP and "{gateway_group_id}" not in full:
        operation["parameters"].append(openapi.GROUP)
    said: str | None = getattr(handler, "func", handler).__doc__
    described = {"description": said.strip()} if said else {}
    router.add_api_route(
        path,
        _refusing(handler) if access.filtered else handler,
        methods=[method],
        route_class_override=Endpoint,
        dependencies=[Depends(access)],
        response_model=None,
        openapi_extra={
            **operation,
            **described,
            "summary": access.action,
            "x-reach": access.reach.name.lower(),
            **more,
        },
    )


def _refusing(handler: Handler) -> Handler:
    """A list's handler that may not answer before it has left out what its caller must not see."""

    @wraps(handler)
    async def answering(request: Request) -> Response:
        response = await handler(request)
        if refusal := getattr(request.state, "refusal", None):
            raise refusal
        return response

    return answering


def group(action: str, *, filtered: bool = False) -> Access:
    return Access(action, Reach.GROUP, filtered)


def system(action: str, *, filtered: bool = False) -> Access:
    return Access(action, Reach.SYSTEM, filtered)
