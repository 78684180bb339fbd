"""What the shapes allow and the compiler cannot carry is refused when it is written, not found out later."""

from collections.abc import Mapping
from typing import Any, cast

from gatefleet.compile import paths
from gatefleet.compile import vars as conditions
from gatefleet.compile.resolve import upstream as resolve_upstream


def check_servable(kind: str, body: Mapping[str, Any]) -> None:
    """Invalid, naming the field, for what no node could serve."""
    if kind == "routes":
        for path in cast("list[str]", body["paths"]):
            paths.parse(path)
        conditions.predicates(body.get("vars") or [])
    if kind == "services" and isinstance(body.get("upstream"), Mapping):
        resolve_upstream("check", body["upstream"])
    if kind == "upstreams":
        resolve_upstream("check", body)
