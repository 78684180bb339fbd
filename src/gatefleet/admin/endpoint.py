"""How an endpoint is added: method, path, handler, and the access it declares."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from gatefleet.admin.access import Access, Reach

Handler = Callable[[Request], Awaitable[Response]]


def add(router: APIRouter, method: str, path: str, handler: Handler, access: Access, **openapi: Any) -> None:
    """Route `method path` to the handler, which runs only if `access` lets the caller in."""
    router.add_api_route(
        path,
        handler,
        methods=[method],
        dependencies=[Depends(access)],
        response_model=None,
        summary=access.action,
        openapi_extra={"x-reach": access.reach.name.lower(), **openapi},
    )


def group(action: str) -> Access:
    return Access(action, Reach.GROUP)


def system(action: str) -> Access:
    return Access(action, Reach.SYSTEM)
