"""`gatefleet request`: have a gateway instance try a request, and say which route and which plugins it met."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from gatefleet.cli.remote import Group, NotLive, WrongUse, remote

if TYPE_CHECKING:
    from gatefleet.cli.session import Session

PANEL: Final = "Nodes"
OUTCOMES: Final = {
    "ran": "ran",
    "answered": "answered",
    "not_reached": "not reached",
    "conditional": "cannot be told",
}


def add(app: typer.Typer) -> None:
    """Add the command."""
    remote(app, "request", PANEL)(_request)


def _request(
    session: "Session",
    method: Annotated[str, typer.Argument(help="GET, POST ...")],
    url: Annotated[str, typer.Argument(help="http://host/path, https://host/path, or the path alone")],
    group: Group = "default",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help='"Name: value"; may be given often', show_default=False)
    ] = None,
    data: Annotated[str, typer.Option("--data", "-d", help="Body, or @file with it", show_default=False)] = "",
    instance: Annotated[
        str | None, typer.Option(help="Gateway instance, by id; else any healthy one", show_default=False)
    ] = None,
) -> None:
    """Try a request on a gateway instance, and see which route and which plugins it meets and who answers it.

    It is a real request: what is behind the gateway gets it.
    """
    body = {
        **_place(url),
        "method": method.upper(),
        "headers": _headers(header or ()),
        "body": _body(data),
        **({"instance_id": instance} if instance else {}),
    }
    found = session.value("POST", f"/api/gateway_groups/{session.group(group)}/request_tests", body)
    session.out.show(found, lambda: _tell(session, found))
    if found["state"] != "answered":
        raise NotLive(f"the request is {found['state']}: {found['reason']}")


def _place(url: str) -> Mapping[str, str]:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not parts.scheme and not parts.netloc:
        return {"path": path}
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise WrongUse(f"[{url}] is no address as https://host/path")
    return {"scheme": parts.scheme, "host": parts.netloc, "path": path}


def _headers(given: Sequence[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for line in given:
        name, colon, text = line.partition(":")
        if not colon:
            raise WrongUse(f'[{line}] is no header as "Name: value"')
        found.setdefault(name.strip(), []).append(text.strip())
    return found


def _body(data: str) -> str:
    if not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"[{data[1:]}] cannot be read as text: {error}") from None


def _tell(session: "Session", found: Mapping[str, Any]) -> None:
    out = session.out
    if response := found.get("response"):
        out.line(f"{response['status']} after {found['seconds'] * 1000:.0f} ms, from {_by(found)}")
    if route := found.get("route"):
        out.line(f"route [{route['route_name']}] of service [{route['service_name']}], revision {found['revision']}")
    if found.get("consumer"):
        out.line(f"consumer [{found['consumer']}]")
    if found["reason"] and response:
        out.line(found["reason"])
    rows = [
        (p["name"], f"{p['from'].replace('_', ' ')} {p['from_id']}", OUTCOMES[p["outcome"]]) for p in found["plugins"]
    ]
    if rows:
        out.table(("plugin", "of", ""), rows)
    if response:
        for name, text in response["headers"]:
            out.line(f"{name}: {text}")
        out.line("")
        out.line(_readable(response))


def _readable(response: Mapping[str, Any]) -> str:
    """A body that does nothing to a terminal."""
    if response["body_encoding"] != "text":
        return "(no text: see -o json)"
    plain = "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in response["body"]
    )
    return plain + (" (and more)" if response["truncated"] else "")


def _by(found: Mapping[str, Any]) -> str:
    by = found.get("answered_by") or {"kind": "somebody: see below", "plugin": ""}
    if by["kind"] == "upstream":
        return f"upstream {found['upstream']}"
    return f"plugin {by['plugin']}" if by["plugin"] else f"the {by['kind']} ({found.get('details', '')})"
