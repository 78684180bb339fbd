"""The query parameters of a list, as the contract names them."""

import re
from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeVar, cast

from fastapi import Request

from gatefleet.errors import Invalid
from gatefleet.store import Query

T = TypeVar("T")
LABEL: Final = re.compile(r"labels\[(.+)\]")
MAX_PAGE_SIZE: Final = 10_000
DIGITS: Final = 18


def read_query(request: Request, parent: str | None = None, *, more_orders: Collection[str] = ()) -> Query:
    """Filters, order and page of a request; without page_size everything.

    Invalid for what may not stand there; `more_orders` may be asked for too, and whoever says so orders by them.
    """
    params = request.query_params
    page_size = params.get("page_size")
    order_by = params.get("order_by") or "updated_at"
    direction = params.get("direction") or "desc"
    if order_by in more_orders:
        order_by = "updated_at"
    if order_by not in {"created_at", "updated_at"}:
        raise Invalid(" or ".join(("order_by must be created_at", "updated_at", *sorted(more_orders))))
    if direction not in {"asc", "desc"}:
        raise Invalid("direction must be asc or desc")
    return Query(
        parent=parent,
        labels=_labels(request),
        name=params.get("name"),
        search=params.get("search"),
        plugin=params.get("plugin_name"),
        type=params.get("type"),
        host=params.get("hosts"),
        order_by=cast('Literal["created_at", "updated_at"]', order_by),
        descending=direction == "desc",
        page=number("page", params.get("page") or "1"),
        page_size=None if not page_size else min(number("page_size", page_size), MAX_PAGE_SIZE),
    )


def page_of(items: Sequence[T], query: Query) -> Sequence[T]:
    """The page that is asked for."""
    size = query.page_size or len(items)
    return items[(query.page - 1) * size : query.page * size]


def _labels(request: Request) -> dict[str, str | None]:
    """`labels[key]=value`, and `label=key` for "has the key"."""
    labels: dict[str, str | None] = {key: None for key in request.query_params.getlist("label") if key}
    for name, value in request.query_params.multi_items():
        match = LABEL.fullmatch(name)
        if match:
            labels[match[1]] = value
    return labels


def flag(request: Request, name: str) -> bool:
    """Whether a query parameter is given, and not as false or 0; `a-b` is another way to write `a_b`."""
    given = [request.query_params.get(name), request.query_params.get(name.replace("_", "-"))]
    return any(text is not None and text.lower() not in {"false", "0"} for text in given)


def number(name: str, text: str, largest: int = 2**31) -> int:
    """A query parameter's whole number from 1; Invalid, naming the parameter, for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > DIGITS or not 1 <= int(text) <= largest:
        raise Invalid(f"{name} must be a whole number from 1")
    return int(text)
