"""Texts with nginx variables (`$uri`, `${http_x}`), turned into Envoy's formats or into the parts our Lua fills in.

Envoy's `%QUERY_PARAM%` decodes what the client sent, line breaks included, and Envoy does not check the result:
a header made of it could be split. Arguments, cookies and everything a rewrite may have changed are therefore read
by our own Lua (`filters.captures`), undecoded as nginx does it, and reach the format as dynamic metadata.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gatefleet.errors import Invalid
from gatefleet.plugin import Scope

CAPTURED: Final = "gf.vars"
"""The dynamic metadata namespace of variables that Lua has read."""

_REFERENCE: Final = re.compile(r"\\\$|\$(?:\{\s*(\w+)\s*(?:\?\?\s*([^}]*?)\s*)?\}|(\w+))")
_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)
_CLIENT: Final = '%COALESCE({{"operators":[{{"command":"DYNAMIC_METADATA","param":"gf.real-ip:{key}"}},"{command}"]}})%'
"""What the plugin real-ip found, else what the connection says."""
_BOTH: Final = {
    "uri": "%PATH(NQ)%",
    "host": "%REQ(X-FORWARDED-HOST)%",
    "http_host": "%REQ(:AUTHORITY)%",
    "request_method": "%REQ(:METHOD)%",
    "remote_addr": _CLIENT.format(key="remote_addr", command="DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"),
    "remote_port": _CLIENT.format(key="remote_port", command="DOWNSTREAM_REMOTE_PORT"),
    "server_addr": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
    "server_port": "%DOWNSTREAM_LOCAL_PORT%",
    "server_protocol": "%PROTOCOL%",
    "consumer_name": "%REQ(X-CONSUMER-USERNAME)%",
}
_ON_REQUEST: Final = {"scheme": "%REQ(:SCHEME)%", "request_uri": "%REQ(:PATH)%"}
_ON_RESPONSE: Final = {
    "status": "%RESP(:STATUS)%",
    "upstream_addr": "%UPSTREAM_REMOTE_ADDRESS%",
    "balancer_ip": "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "balancer_port": "%UPSTREAM_REMOTE_PORT%",
}
_LUA_ONLY: Final = frozenset({"args", "query_string", "is_args"})
_LUA_PREFIXES: Final = ("arg_", "cookie_")
_HEADER_PREFIXES: Final = {"sent_http_": "RESP", "upstream_http_": "RESP"}
PATH_SAFE: Final = frozenset({"remote_addr", "remote_port", "server_addr", "server_port", "request_method", "uri"})
"""Variables whose format never holds what a request line cannot: no blanks, no question mark."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    default: str | None = None


Part = str | Variable


@dataclass(frozen=True, slots=True)
class Format:
    """An Envoy format, and the variables that Lua has to read before it is evaluated."""

    text: str
    captures: tuple[Variable, ...] = ()


def parse(
    template: str, field: str, scope: Scope, *, response: bool = False, numbers: bool = False
) -> tuple[Part, ...]:
    """The parts of a template; what the scope knows already becomes text.

    `response`: variables of the response exist too. `numbers`: `$1` is allowed, for what a regular expression caught.
    Raises Invalid, naming `field`, for a variable we cannot provide.
    """
    parts: list[Part] = []
    for part in _split(template):
        known = part if isinstance(part, str) else _constant(part, scope)
        if isinstance(known, str) and parts and isinstance(parts[-1], str):
            parts[-1] += known
        elif isinstance(known, str) or (numbers and known.name.isdigit()) or _exists(known.name, response=response):
            parts.append(known)
        else:
            raise Invalid(f"[{field}] uses the variable [${known.name}], which is not available here")
    return tuple(parts)


def variable(name: str, field: str, scope: Scope, *, response: bool = False) -> tuple[Part, ...]:
    """The parts of a template that is this variable; names of headers, arguments and cookies may hold hyphens and dots.

    Raises Invalid, naming `field`, for a variable we cannot provide.
    """
    known = _constant(Variable(name), scope)
    if not isinstance(known, str) and not (_NAME.fullmatch(name) and _exists(name, response=response)):
        raise Invalid(f"[{field}] uses the variable [${name}], which is not available here")
    return (known,)


def format_of(parts: Iterable[Part], *, rewritten: bool = False) -> Format:
    """Parts as an Envoy format. `rewritten`: by then path and scheme may no longer be what the client sent."""
    texts: list[str] = []
    captures: list[Variable] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part.replace("%", "%%"))
        elif native := _native(part, rewritten=rewritten):
            texts.append(native)
        else:
            captures.append(part)
            texts.append(f"%DYNAMIC_METADATA({CAPTURED}:{capture_key(part)})%")
    return Format("".join(texts), tuple(dict.fromkeys(captures)))


def lua_parts(parts: Iterable[Part]) -> list[str]:
    """Parts as our Lua reads them: `=text`, `$variable`, and `?default` for the variable before it."""
    listed: list[str] = []
    for part in parts:
        if isinstance(part, str):
            listed.append("=" + part)
        else:
            listed.append("$" + part.name)
            listed.extend(["?" + part.default] if part.default is not None else [])
    return listed


def capture_key(variable: Variable) -> str:
    """The key under which Lua leaves the variable's value in the metadata namespace CAPTURED."""
    if variable.default is None:
        return variable.name
    return f"{variable.name}-{hashlib.sha256(variable.default.encode()).hexdigest()[:8]}"


def _split(template: str) -> Iterator[Part]:
    at = 0
    for found in _REFERENCE.finditer(template):
        if found.start() > at:
            yield template[at : found.start()]
        name = found[1] or found[3]
        yield Variable(name, found[2]) if name else "$"
        at = found.end()
    if at < len(template):
        yield template[at:]


def _constant(variable: Variable, scope: Scope) -> Part:
    known = {
        "route_id": scope.route_id,
        "route_name": scope.route_name,
        "service_id": scope.service_id,
        "service_name": scope.service_name,
    }
    if variable.name not in known:
        return variable
    return known[variable.name] or variable.default or ""


def _exists(name: str, *, response: bool) -> bool:
    prefixes = ("http_", *_LUA_PREFIXES, *(_HEADER_PREFIXES if response else ()))
    plain = name in _BOTH or name in _ON_REQUEST or name in _LUA_ONLY or (response and name in _ON_RESPONSE)
    return plain or any(name.startswith(p) and len(name) > len(p) for p in prefixes)


def _native(variable: Variable, *, rewritten: bool) -> str | None:
    name = variable.name
    if variable.default is not None or name.isdigit():
        return None
    if plain := _BOTH.get(name) or _ON_RESPONSE.get(name) or (None if rewritten else _ON_REQUEST.get(name)):
        return plain
    for prefix, operator in (("http_", "REQ"), *_HEADER_PREFIXES.items()):
        if name.startswith(prefix):
            return f"%{operator}({name.removeprefix(prefix).replace('_', '-').upper()})%"
    return None
