"""One command's talk with an Admin API: requests, answers, and names turned into ids."""

import ssl
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, Self, cast
from urllib.parse import quote

import httpx

from gatefleet import VERSION
from gatefleet.cli.output import Output
from gatefleet.cli.remote import ApprovalNeeded, Where, WrongUse
from gatefleet.errors import GatefleetError, Unreachable

SECONDS: Final = 60.0
"""How long an answer may take, besides what it is asked to wait."""
NAMED: Final = 20
"""Problems of one request that are written line by line."""
Json = dict[str, Any]


class Refused(GatefleetError):
    """The Admin API said no, with this status."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


class Session:
    """Requests with one credential, and what is written about them."""

    def __init__(self, client: httpx.Client, where: Where) -> None:
        self._client = client
        self._server = where.server
        self.out = Output(where.output)
        self.revision: int | None = None
        """What the last answer said is the revision of the one gateway group it changed."""

    @classmethod
    @contextmanager
    def open(cls, where: Where) -> Generator[Self]:
        """A session with the server that is named; nothing is sent yet."""
        if not where.token:
            raise WrongUse("no credential: set GATEFLEET_TOKEN or --token to an access token")
        if where.ca is not None and not where.ca.is_file():
            raise WrongUse(f"--ca: there is no file [{where.ca}]")
        headers = {"X-API-KEY": where.token, "User-Agent": f"gatefleet/{VERSION}"}
        try:
            client = httpx.Client(base_url=where.server, headers=headers, verify=_trusted(where), timeout=SECONDS)
        except (httpx.InvalidURL, ValueError, OSError) as error:
            raise WrongUse(f"--server or --ca cannot be used: {error}") from error
        with client:
            yield cls(client, where)

    def call(self, method: str, path: str, body: Any = None, **query: str | int | bool | None) -> Json:
        """The answer as it is; Refused if it is an error, ApprovalNeeded if somebody else must consent first.

        A `wait` in the query is the seconds that the server may take longer.
        """
        params = {name: _said(value) for name, value in query.items() if value not in (None, "", False)}
        timeout = SECONDS + float(query.get("wait") or 0)
        try:
            response = self._client.request(method, path, json=body, params=params, timeout=timeout)
        except (httpx.TransportError, httpx.UnsupportedProtocol, ValueError) as error:
            hint = "; give its CA with --ca, or --insecure" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
            raise Unreachable(f"[{self._server}] does not answer: {error}{hint}") from error
        answer = _json(response)
        told = response.headers.get("x-gateway-group-revision", "")
        self.revision = int(told) if told.isdecimal() else None
        if response.status_code == HTTPStatus.ACCEPTED:
            approval = answer["value"]["approval"]
            self.out.data(answer["value"])
            raise ApprovalNeeded(
                f"rule [{approval.get('rule', approval['rule_id'])}] asks for somebody else's consent: "
                f"approval [{approval['id']}] waits, nothing has changed yet"
            )
        if response.is_error:
            raise Refused(response.status_code, _problem(response.status_code, answer))
        return answer

    def value(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """The `value` of the answer."""
        return cast("Json", self.call(method, path, body, **query)["value"])

    def listed(self, path: str, **query: Any) -> Sequence[Json]:
        """The `list` of the answer."""
        return cast("Sequence[Json]", self.call("GET", path, **query)["list"])

    def group(self, named: str) -> str:
        """The id of a gateway group named by id or name; as it is named if this credential cannot look."""
        try:
            return str(self.value("GET", f"/api/gateway_groups/{_part(named)}")["id"])
        except Refused as error:
            if error.status_code == HTTPStatus.FORBIDDEN:
                return named
            if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
                raise
        found = self.listed("/api/gateway_groups", name=named)
        if not found:
            raise WrongUse(f"there is no gateway group [{named}]")
        return str(found[0]["id"])

    def service(self, named: str, group_id: str | None = None) -> str:
        """The id of a service by id or name: of a group's if one is given, else of a template or of any group's."""
        place = f"/api/gateway_groups/{group_id}/services" if group_id else "/api/services/template"
        ids = {str(each["id"]) for each in self.listed(place, name=named)}
        if not ids and not group_id:
            everywhere = self.value("GET", "/api/compare/services")["services"]
            ids = {str(each["service_id"]) for each in everywhere if each["name"] == named}
        if len(ids) == 1:
            return ids.pop()
        if ids:
            raise WrongUse(f"several services are called [{named}]: give the id, one of {', '.join(sorted(ids))}")
        return named


def _trusted(where: Where) -> bool | ssl.SSLContext:
    """Whose certificates are trusted; without TLS none are loaded, which costs a tenth of a second."""
    if where.ca:
        return ssl.create_default_context(cafile=where.ca)
    return not where.insecure and not where.server.startswith("http://")


def _said(value: str | float | bool) -> str | int | float:
    return "true" if value is True else value


def _part(text: str) -> str:
    """One part of a path."""
    return quote(text, safe="")


def _json(response: httpx.Response) -> Json:
    try:
        answer = response.json()
    except ValueError:
        raise Unreachable(
            f"what answers at [{response.url.copy_with(query=None)}] (status {response.status_code}) is no Admin API"
        ) from None
    return cast("Json", answer) if isinstance(answer, dict) else {}


def _problem(status: int, answer: Mapping[str, Any]) -> str:
    """What was wrong: each problem on its own line if there are several."""
    errors = cast("Sequence[Mapping[str, Any]]", answer.get("errors") or ())
    if not errors:
        return str(answer.get("error_msg") or f"refused with status {status}")
    lines = [f"  {each.get('pointer') or '/'}: {each['error']}" for each in errors[:NAMED] if "error" in each]
    more = [f"  and {len(errors) - NAMED} more"] if len(errors) > NAMED else []
    noun = "problem" if len(errors) == 1 else "problems"
    return "\n".join([f"{len(errors)} {noun}, nothing has changed:", *lines, *more])
